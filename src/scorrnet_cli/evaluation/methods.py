"""The methods that are compared, all with one signature.

A method takes the reference, the deformed image and the mask and gives a `Measured`. One that is the pipeline with
other settings is a line in `_SETTINGS`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from scorrnet_cli import pipeline
from scorrnet_cli.errors import MeasurementError, UsageError
from scorrnet_cli.evaluation.icgn import correlate
from scorrnet_cli.evaluation.metrics import filled_by_nearest
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.settings import Settings


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
    "linear": Settings(window_px=5.0),
    "network": Settings(refine=False),
}
_ORDERS = {"icgn-affine": 1, "icgn-quadratic": 2}
NAMES = (*_SETTINGS, *_ORDERS)
ICGN_STEP_PX = 5  # subsets overlap, so that more points would say little more
_REMEMBERED = 48


def load_methods(names: Iterable[str], device: str = "auto") -> dict[str, Method]:
    """Load methods by their names, in the order given.

    Raises
    ------
    DeviceError, WeightsError
        As `pipeline.load` does.
    """
    names = list(names)
    loaded = {name: of_settings(_SETTINGS[name].but(device=device)) for name in names if name in _SETTINGS}
    if any(name in _ORDERS for name in names):
        network = remembering(loaded.get("network") or of_settings(_SETTINGS["network"].but(device=device)))
        loaded["network"] = network
        loaded |= {name: subsets(_ORDERS[name], network) for name in names if name in _ORDERS}
    return {name: loaded[name] for name in names}


def of_settings(settings: Settings) -> Method:
    """Make a method of the pipeline with the given settings; the mask is given, so no network looks for it."""
    instruments = pipeline.load(settings.but(mask="all"))

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


def subsets(order: int, starting: Method) -> Method:
    """Make a method of classical subset correlation with 21 x 21 px.

    Parameters
    ----------
    order : int
        1 for affine, 2 for quadratic shape functions.
    starting : callable
        The method that gives the field to start from.
    """

    def measure(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        begun = starting(reference, deformed, mask)
        result = nothing(mask)._replace(step=ICGN_STEP_PX)
        if not bool(begun.valid.any()):
            return result
        start = filled_by_nearest(begun.displacement, begun.valid)
        every = slice(None, None, ICGN_STEP_PX)
        y, x = (ICGN_STEP_PX * index for index in torch.nonzero(mask[every, every], as_tuple=True))
        found = correlate(reference, deformed, mask, start, torch.stack([x, y]), order)
        result.displacement[:, y, x] = found.displacement.where(found.valid, torch.nan)
        result.sigma[:, y, x] = found.sigma.where(found.valid, torch.nan)
        result.valid[y, x] = found.valid
        return result

    return measure


def remembering(method: Method) -> Method:
    """Return a method that gives the latest results again when it is asked for the same images again."""
    known: deque[tuple[tuple[Tensor, Tensor, Tensor], Measured]] = deque(maxlen=_REMEMBERED)

    def measure(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        images = (reference, deformed, mask)
        for asked, result in known:
            if all(one is other for one, other in zip(asked, images, strict=True)):
                return result
        known.append((images, method(*images)))
        return known[-1][1]

    return measure


def nothing(mask: Tensor) -> Measured:
    """Return the result of a method that could not measure a single point."""
    displacement, sigma = torch.full((2, 2, *mask.shape), torch.nan)
    return Measured(displacement, torch.zeros_like(mask), sigma)


def _frame(image: Tensor) -> Frame:
    return Frame(image.cpu().numpy(), FrameInfo("rendered", ""))


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
