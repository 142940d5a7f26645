"""Which device computes: the one that was asked for, or an error."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scorrnet_cli.errors import DeviceError, UsageError

if TYPE_CHECKING:
    import torch

_NAMES = re.compile(r"auto|cpu|cuda(?::(?P<index>\d+))?")


def choose_device(name: str) -> torch.device:
    """Find the device that a name stands for.

    Parameters
    ----------
    name : str
        ``auto`` (the first CUDA device if there is one, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    torch.device
        ``cpu``, or a CUDA device with its index.

    Raises
    ------
    UsageError
        If the name is none of these.
    DeviceError
        If CUDA is asked for and absent, or there are not that many CUDA devices. It never falls back.
    """
    match = _NAMES.fullmatch(name)
    if match is None:
        raise UsageError(f"Unknown device {name!r}", "", "Devices are auto, cpu, cuda and cuda:N")
    import torch

    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not present):
        return torch.device("cpu")
    if not present:
        raise DeviceError("No CUDA device was found", f"device {name}", "Use --device cpu or --device auto")
    index = int(match["index"] or 0)
    if index >= present:
        last = "is cuda:0" if present == 1 else f"are cuda:0 to cuda:{present - 1}"
        raise DeviceError("There is no such CUDA device", f"device {name}", f"Present {last}")
    return torch.device("cuda", index)


def describe(device: torch.device) -> str:
    """Name a device as results record it, such as ``cpu`` or ``cuda:0 (NVIDIA H100)``."""
    if device.type != "cuda":
        return str(device)
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"
