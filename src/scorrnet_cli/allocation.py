"""Memory: what is freed stays with the process, so that the next array needs none from the system; how want shows."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

from scorrnet_cli.errors import DeviceError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of `mallopt`, see malloc.h of the GNU C library
_KEPT = 2**28  # so much of what is free at the end of the heap is kept, bytes
_LARGEST = 2**27  # arrays up to this size are made of what is kept; few are larger, those of whole images
_LARGEST_BEFORE = 2**25  # the most that versions before 2.35 take
_NO_MEMORY = ("out of memory", "ALLOC_FAILED", "DefaultCPUAllocator")


@cache
def keep_freed_memory() -> bool:
    """Let the GNU C library keep arrays that are freed, and make new ones from them.

    Otherwise it gives large ones back at once, and the system clears every page anew: a quarter of the time of a
    measurement on a CPU. What the process holds at most grows by a tenth to a quarter. Elsewhere nothing is done.

    Returns
    -------
    bool
        Whether the library took it.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    largest = any(mallopt(_MMAP_THRESHOLD, size) for size in (_LARGEST, _LARGEST_BEFORE))
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT)) and largest


def out_of_memory() -> DeviceError:
    """Return the error that says so."""
    return DeviceError("Out of memory", "", "Measure a part with --roi, or use --device cpu")


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether what was raised says that memory, the device's or the computer's, is not enough.

    Not all of CUDA's libraries say so by `torch.OutOfMemoryError`: the driver, cuFFT, cuBLAS and others do it in words.
    """
    words = str(error)
    said = isinstance(error, RuntimeError) and any(sign in words for sign in _NO_MEMORY)
    return said or isinstance(error, MemoryError)
