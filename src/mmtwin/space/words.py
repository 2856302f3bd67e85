"""Errors in words: the kernel's ``ERR_PTR``, ``PTR_ERR`` and ``IS_ERR``."""

from __future__ import annotations

from cython import bint, declare
from cython import longlong as i64
from cython import ulonglong as u64

TOP = declare(u64, 0xFFFFFFFFFFFFFFFF)
LOWEST_ERROR = declare(u64, 0xFFFFFFFFFFFFF001)


def err_ptr(error: i64) -> u64:
    """The negative errno ``error`` as an address."""
    number: u64 = -error
    return TOP - number + 1


def ptr_err(pointer: u64) -> i64:
    """The negative errno that the address ``pointer`` stands for."""
    number: i64 = TOP - pointer + 1
    return -number


def is_err(pointer: u64) -> bint:
    """Whether an address stands for an error: the last 4,095 values do."""
    return pointer >= LOWEST_ERROR


def failed(result: i64) -> bint:
    """Whether a result is an error and no address: addresses may have the highest bit set."""
    return result < 0 and result > -4096
