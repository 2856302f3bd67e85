/* SPDX-License-Identifier: GPL-2.0-only */
#define XA_CHUNK_SHIFT 6
