"""What the background of the deformed image does to the field: it is exchanged for another, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.hard import outlines
from scorrnet_cli.evaluation.hard.backdrops import backdrop
from scorrnet_cli.evaluation.hard.bed import measured, rmse, share
from scorrnet_cli.evaluation.hard.bodies import Body, cut_out, true_field
from scorrnet_cli.evaluation.hard.optics import Camera, expose
from scorrnet_cli.evaluation.rendering import Outline, Pair
from scorrnet_cli.evaluation.speckle import scatter_disks
from scorrnet_cli.numerics.morphology import eroded
from scorrnet_cli.pipeline import Instruments

SIZE_PX = 256
SEED = 6_000_000
INSIDE_PX = 2  # points closer to the edge of the mask than this are mixed with the background
_MIDDLE = ((SIZE_PX - 1) / 2, (SIZE_PX - 1) / 2)

SPECIMENS: dict[str, Outline] = {
    "plate with a hole": outlines.cut(outlines.plate(_MIDDLE, (80.0, 62.0), 9.0), outlines.disk(_MIDDLE, 20.0)),
    "strip of 30 px": outlines.plate(_MIDDLE, (15.0, 200.0), 14.0),
    "disk": outlines.disk(_MIDDLE, 70.0),
    "ring": outlines.ring(_MIDDLE, 75.0, 20.0),
}
BACKGROUNDS = (("plain", "newspaper"), ("clutter", "gravel"), ("texture", "fabric"), ("stripes", "speckle"))


@dataclass(frozen=True)
class Exchange:
    """What the exchange of a background changed.

    Attributes
    ----------
    specimen : str
    before, after : str
        What stood behind it in the deformed image.
    change_px : float
        Root mean square of the change of u and of v, px, 2 px or more inside the mask, where both fields are valid.
    lost_share : float
        Share of these points that are valid with one of the backgrounds only.
    """

    specimen: str
    before: str
    after: str
    change_px: float
    lost_share: float


def exchanges(instruments: Instruments, names: Sequence[str] = tuple(SPECIMENS)) -> Iterator[Exchange]:
    """Measure specimens before two backgrounds, with the true mask; the camera's noise is the same in both."""
    for name in names:
        number, outline = list(SPECIMENS).index(name), SPECIMENS[name]
        before, after = BACKGROUNDS[number % len(BACKGROUNDS)]
        body = Body(outline, affine(0.02, 1.0, (6.4, -9.3), SIZE_PX))
        shape = (SIZE_PX, SIZE_PX)
        mask, truth = true_field(shape, [body])
        disks = scatter_disks(shape, SEED + 10 * number, margin_px=48)
        still, moved = (cut_out(shape, disks, [body], moved=moved) for moved in (False, True))
        first, second = (backdrop(kind, SIZE_PX, 1000 + 2 * number + turn) for turn, kind in enumerate((before, after)))
        reference = expose(Camera(), still, first, SEED + 10 * number + 1, deformed=False)
        fields = []
        for behind in (first, second):
            deformed = expose(Camera(), moved, behind, SEED + 10 * number + 2, deformed=True)
            fields.append(measured(instruments, Pair(reference, deformed, mask, truth), mask).refined)
        inside = eroded(mask, INSIDE_PX)
        valid = [field.isfinite().all(0)[inside] for field in fields]
        change = torch.hypot(*(fields[1] - fields[0]))[inside]
        yield Exchange(name, before, after, rmse(change), share(valid[0] != valid[1]))
