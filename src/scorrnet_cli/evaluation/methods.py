"""The methods that are compared, all with one signature.

A method takes the reference, the deformed image and the mask and gives a `Measured`. Add one to `_SETTINGS` if it is
the pipeline with other settings, else to `load_method`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from scorrnet_cli import pipeline
from scorrnet_cli.errors import MeasurementError, UsageError
from scorrnet_cli.field import FrameInfo, Settings
from scorrnet_cli.frames import Frame


class Measured(NamedTuple):
    """What a method measured, on the CPU.

    Attributes
    ----------
    displacement : (2, H, W) float32
        u, v, px; NaN where not `valid`.
    valid : (H, W) bool
    sigma : (2, H, W) float32
        Standard uncertainty, px; NaN where the method gives none.
    step : int
        Only every so many-th row and column was measured, from the first on.
    """

    displacement: Tensor
    valid: Tensor
    sigma: Tensor
    step: int = 1

    def thinned(self, *fields: Tensor) -> tuple[Tensor, ...]:
        """Return further fields (..., H, W) at the measured points alone."""
        return tuple(field[..., :: self.step, :: self.step] for field in fields)


Method: TypeAlias = Callable[[Tensor, Tensor, Tensor], Measured]
"""Of reference and deformed, (H, W) float32 grey levels, and mask, (H, W) bool."""

_SETTINGS = {
    "scorrnet": Settings(),
    "linear": Settings(),
    "network": Settings(refine=False),
}
NAMES = tuple(_SETTINGS)


def load_methods(names: Iterable[str], device: str = "auto") -> dict[str, Method]:
    """Load methods by their names, in the order given.

    Raises
    ------
    DeviceError, WeightsError
        As `pipeline.load` does.
    """
    return {name: load_method(name, device) for name in names}


def load_method(name: str, device: str = "auto") -> Method:
    """Load one method of `NAMES`; see `load_methods`."""
    return of_settings(_SETTINGS[name].but(device=device))


def of_settings(settings: Settings) -> Method:
    """Make a method of the pipeline with the given settings; the mask is given, so no network looks for it."""
    instruments = pipeline.load(settings)

    def measure(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        prepared = pipeline.prepare(instruments, _frame(reference), mask.to(instruments.where))
        try:
            field = pipeline.measure_pair(instruments, prepared, _frame(deformed))
        except MeasurementError:
            return nothing(mask)
        u, v, sigma_u, sigma_v = (
            torch.from_numpy(array[0]) for array in (field.u, field.v, field.sigma_u, field.sigma_v)
        )
        return Measured(torch.stack([u, v]), torch.from_numpy(field.valid[0]), torch.stack([sigma_u, sigma_v]))

    return measure


def nothing(mask: Tensor) -> Measured:
    """Return the result of a method that could not measure a single point."""
    unknown = torch.full((2, *mask.shape), torch.nan)
    return Measured(unknown, torch.zeros_like(mask), unknown)


def _frame(image: Tensor) -> Frame:
    return Frame(image.cpu().numpy(), 255.0, FrameInfo("rendered", ""))


def chosen(names: str | None) -> list[str]:
    """Split a list of methods as the user writes it, ``a,b``; all if it is None.

    Raises
    ------
    UsageError
        If there is no such method.
    """
    asked = [name.strip() for name in names.split(",")] if names else list(NAMES)
    for name in asked:
        if name not in NAMES:
            raise UsageError(f"There is no method {name!r}", "--methods", f"Choose from {', '.join(NAMES)}")
    return list(dict.fromkeys(asked))
