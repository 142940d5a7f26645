"""Contact sheets of the worst of the hard cases: what was seen, which mask was found, and where the field is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scorrnet_cli.errors import OutputError
from scorrnet_cli.evaluation.hard.bed import FOUND, Trial, share
from scorrnet_cli.pictures.paper import check_picture, made_by
from scorrnet_cli.writers.atomic import explained, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = 6
_NAMES = ("worst_masks.png", "worst_fields.png")
_DPI = 110
_PANEL_INCH = 2.6
_SMALLEST_PX, _LARGEST_PX = 1e-3, 1.0  # errors between which the colours tell them apart

_MASKS = np.array(
    [[255, 255, 255], [214, 96, 77], [67, 147, 195], [190, 190, 190]], np.uint8
)  # none, true, found, both
_NOT_MEASURED = np.array([[255, 255, 255], [67, 147, 195]], np.uint8)


def check_sheets(folder: Path, overwrite: bool) -> None:
    """Make sure before measuring that the sheets can be drawn; the folder is made.

    Raises
    ------
    UsageError, OutputError
        As `paper.check_picture` does.
    """
    with explained(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError("This is no folder", str(folder), "Give the name of a folder") from None
    for name in _NAMES:
        check_picture(folder / name, overwrite, "--sheet")


def draw_sheets(folder: Path, trials: Sequence[Trial]) -> None:
    """Draw the cases with the worst masks, and those with the fewest points that are right after refinement."""

    def right(trial: Trial) -> float:
        return share(trial.points[FOUND].refined < 0.1)

    for name, worth in zip(_NAMES, (lambda trial: trial.iou, right), strict=True):
        _draw(folder / name, sorted(trials, key=worth)[:ROWS])


def _draw(path: Path, trials: Sequence[Trial]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * _PANEL_INCH + 0.6, len(trials) * (_PANEL_INCH + 0.25)), layout="constrained")
    FigureCanvasAgg(figure)
    for trial, panels in zip(trials, figure.subplots(len(trials), 4, squeeze=False), strict=True):
        _draw_one(trial, list(panels))
    with written_whole(path) as part, explained(path):
        figure.savefig(part, format="png", dpi=_DPI, metadata=made_by(path))


def _draw_one(trial: Trial, panels: list[Axes]) -> None:
    """Draw reference, deformed, masks and error of one case into four panels."""
    from matplotlib.colors import LogNorm

    for panel in panels:
        panel.set_xticks([])
        panel.set_yticks([])
    for panel, image in zip(panels, (trial.reference, trial.deformed), strict=False):
        panel.imshow(image.numpy(), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    true, found = trial.mask.numpy(), trial.found.numpy()
    panels[2].imshow(_MASKS[true + 2 * found.astype(int)], interpolation="nearest")
    error = trial.error.numpy()
    shown = np.where(true, error, np.nan).clip(_SMALLEST_PX, _LARGEST_PX)
    panels[3].imshow(_NOT_MEASURED[true.astype(int)], interpolation="nearest")
    drawn = panels[3].imshow(shown, cmap="inferno", norm=LogNorm(_SMALLEST_PX, _LARGEST_PX), interpolation="nearest")
    panels[3].figure.colorbar(drawn, ax=panels[3], fraction=0.046, label="error (px)")
    points = trial.points[FOUND].refined
    panels[0].set_title(f"{trial.case.kind}: reference", fontsize="small")
    panels[1].set_title("deformed", fontsize="small")
    panels[2].set_title(f"mask, IoU {trial.iou:.3f}: red missed, blue too much", fontsize="x-small")
    right = f"below 0.1 px {share(points < 0.1):.1%}"
    panels[3].set_title(f"{right}, valid {share(points.isfinite()):.1%}: blue not", fontsize="x-small")
