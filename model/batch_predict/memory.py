"""How a process keeps its memory: blocks of megabytes come and go, and fetching them from the system is slow."""

import contextlib
import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # malloc.h
LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc refuses more
KEPT = 64 << 20


def keep_freed_memory() -> None:
    """Let malloc reuse freed blocks instead of returning them to the system: a fifth less processor time with glibc."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(TOP_PAD, KEPT >> 2)
