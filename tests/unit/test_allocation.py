"""Memory that is freed stays with the process, where the C library can do that."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys, torch
from scorrnet_cli.allocation import keep_freed_memory

def fill():
    for size in (1, 5, 20):  # MiB times 4
        torch.ones(size, 1024, 1024)

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for _ in range(6):  # until every size has found its place
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere nothing is done")
@pytest.mark.parametrize("asked", [{}, {"MALLOC_TRIM_THRESHOLD_": "65536"}], ids=["alone", "as dask starts workers"])
def test_freed_arrays_are_made_into_new_ones(asked: dict[str, str]) -> None:
    def cleared(how: str) -> int:
        command = [sys.executable, "-c", _FAULTS, how]
        return int(subprocess.run(command, env=os.environ | asked, capture_output=True, check=True).stdout)

    assert cleared("return") > 5_000  # pages that the system cleared once more, of 80 MiB
    assert cleared("keep") < 500
