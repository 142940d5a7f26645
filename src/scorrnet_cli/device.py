"""Which device computes: the one that was asked for, or an error."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from scorrnet_cli.allocation import is_out_of_memory
from scorrnet_cli.errors import DeviceError, UsageError

if TYPE_CHECKING:
    import torch

_NAMES = re.compile(r"auto|cpu|cuda(?::(?P<index>\d+))?")


def choose_device(name: str) -> torch.device:
    """Find the device that a name stands for.

    Parameters
    ----------
    name : str
        ``auto`` (the first CUDA device if there is one that works, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    torch.device
        ``cpu``, or a CUDA device with its index.

    Raises
    ------
    UsageError
        If the name is none of these.
    DeviceError
        If CUDA is asked for and absent or does not work, or there are not that many CUDA devices. It never falls back.
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
    device = torch.device("cuda", index)
    try:
        _try(device)
    except RuntimeError as error:  # such as of a device that is older than this build of torch knows
        if name == "auto" and not is_out_of_memory(error):
            return torch.device("cpu")
        what = f"The CUDA device does not work: {' '.join(str(error).split())[:200]}"
        raise DeviceError(what, f"device {name}", "Let other programs end, or use --device cpu") from error
    return device


def _try(device: torch.device) -> None:
    """Let a device compute something."""
    import torch

    torch.ones(1, device=device).add_(1)


def describe(device: torch.device) -> str:
    """Name a device as results record it, such as ``cpu``, ``cpu (bfloat16)`` or ``cuda:0 (NVIDIA H100)``."""
    if device.type == "cpu":
        return "cpu (bfloat16)" if _computes_bfloat16() else "cpu"
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def network_precision(device: torch.device, *, units_only: bool = False) -> torch.autocast:
    """Return the context in which the layers of networks run.

    In bfloat16 they take a third of the time where a CPU has matrix units for it, two thirds where it has instructions.
    Images, geometry and least squares keep all their digits, so displacements change by about 1e-4 px. On CUDA
    convolutions use TF32 where torch does.

    Parameters
    ----------
    device : torch.device
    units_only : bool
        Keep float32 where a CPU has the instructions alone: between sparse dots, where the displacement network's field
        is all there is, bfloat16 makes its error a tenth larger, which two thirds of the time are not worth.
    """
    import torch

    computes = _cpu_has("amx_bf16") if units_only else _computes_bfloat16()
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cpu" and computes)


def network_dtype(device: torch.device) -> torch.dtype:
    """Return what the numbers of a network that looks at patterns alone need to be; see `network_precision`."""
    import torch

    return torch.bfloat16 if device.type == "cpu" and _computes_bfloat16() else torch.float32


def trains_channels_last(device: torch.device) -> bool:
    """Whether networks are to be trained with their channels last, which is faster.

    On a CPU with bfloat16 instructions but no matrix units the gradients of dilated convolutions came out as NaN so
    (torch 2.13, weights of `FusionNet`), with channels first they did not.
    """
    return device.type != "cpu" or _cpu_has("amx_bf16")


def _computes_bfloat16() -> bool:
    return _cpu_has("amx_bf16") or _cpu_has("avx512_bf16")


@cache
def _cpu_has(capability: str) -> bool:
    import torch

    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # torch < 2.11 cannot tell
    return bool(capabilities.get(capability))
