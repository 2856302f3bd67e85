/* SPDX-License-Identifier: GPL-2.0-only */
/* The word size (CONFIG_64BIT) comes from the command line, see build.py. */
#define CONFIG_XARRAY_MULTI 1
