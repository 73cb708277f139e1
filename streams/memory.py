"""Keeps memory that was freed, so that a chunk's arrays are not faulted in anew for each chunk."""

from __future__ import annotations

import ctypes

# mallopt(3) of glibc; the threshold of mmap has this limit.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_MMAP_THRESHOLD = 32 << 20
_TRIM_THRESHOLD = 512 << 20
_TOP_PAD = 16 << 20


def keep_freed_memory() -> None:
    """Tell glibc not to give blocks below 32 MiB back to the kernel; elsewhere nothing."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD)
    mallopt(_M_TRIM_THRESHOLD, _TRIM_THRESHOLD)
    mallopt(_M_TOP_PAD, _TOP_PAD)
