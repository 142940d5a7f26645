"""Memory that is freed stays with the process: the next array then needs none from the system."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of `mallopt`, see malloc.h of the GNU C library
_ALL = 2**31 - 1
_MOST_BEFORE = 2**25  # the largest threshold that versions before 2.35 take


@cache
def keep_freed_memory() -> bool:
    """Let the GNU C library keep arrays that are freed, and make new ones from them.

    Otherwise it gives large ones back at once, and the system clears every page anew: a quarter of the time of a
    measurement on a CPU. What the process holds at most grows by a few percent. Elsewhere nothing is done.

    Returns
    -------
    bool
        Whether the library took it.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, _ALL)) and any(mallopt(_MMAP_THRESHOLD, size) for size in (_ALL, _MOST_BEFORE))
