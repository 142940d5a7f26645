"""Tables of numbers as text, fast enough for every pixel of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

_BLOCK = 50_000


def write_rows(
    file: TextIO, columns: Sequence[NDArray[Any]], forms: Sequence[str], delimiter: str, missing: str = "nan"
) -> None:
    """Write columns as lines of text.

    Parameters
    ----------
    file : text file
    columns : sequence of (N) arrays
    forms : sequence of str
        How to write each, as for the operator %.
    delimiter : str
        What stands between.
    missing : str
        Stands for NaN.
    """
    form = delimiter.join(forms)
    table = np.stack([np.asarray(column, np.float64) for column in columns], 1)
    for start in range(0, len(table), _BLOCK):
        block = "\n".join([form % tuple(row) for row in table[start : start + _BLOCK].tolist()])
        file.write(block.replace("nan", missing) + "\n")
