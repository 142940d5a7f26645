"""What the pictures of a page are made of: fields packed, colours, the reference image."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from scorrnet_cli.field import FloatArray, FrameInfo
from scorrnet_cli.pictures import colours
from scorrnet_cli.pictures.quantities import PLAIN, Quantity, values_of
from scorrnet_cli.pictures.scale import Scale, choose_scale, ends_of
from scorrnet_cli.report.means import FrameMeans
from scorrnet_cli.report.packing import Grid, pack
from scorrnet_cli.snapshots import Snapshot, Snapshots
from scorrnet_cli.units import seconds

_IMAGE_PX = 900  # longer side
_IMAGE_QUALITY = 75


class Album:
    """Collects the fields of one frame after the other.

    Parameters
    ----------
    snapshots : Snapshots
    quantities : sequence of Quantity
        What is shown.

    Attributes
    ----------
    grid : Grid
    """

    def __init__(self, snapshots: Snapshots, quantities: Sequence[Quantity]) -> None:
        self._quantities = quantities
        self._mm = snapshots.mm_per_px
        self._increments = snapshots.result.is_incremental
        self.grid = Grid.around(snapshots.result.mask(range(len(snapshots))), len(snapshots) * len(quantities))
        self._cells: list[list[FloatArray]] = [[] for _ in quantities]

    def add(self, shown: Snapshot) -> None:
        """Take in a frame."""
        for quantity, cells in zip(self._quantities, self._cells, strict=True):
            cells.append(self.grid.averaged(values_of(quantity, shown)))

    def to_json(
        self, frames: Sequence[FrameMeans], grey: FloatArray | None, marks: Sequence[Mapping[str, object]]
    ) -> str:
        """Return all that the page's script needs, as JSON that may stand in HTML.

        Parameters
        ----------
        frames : sequence of FrameMeans
            All frames that were added.
        grey : (H, W) float32 or None
            The reference image.
        marks : sequence of mappings
            ``name`` and ``corners`` (x, y), px, of what is marked on the pictures.
        """
        images = [frame.summary.image for frame in frames]
        scales = [
            choose_scale(each, map(ends_of, cells), self._mm)
            for each, cells in zip(self._quantities, self._cells, strict=True)
        ]
        factors = [np.float32(each.factor(self._mm)) for each in self._quantities]
        content = {
            "grid": vars(self.grid),
            "mm": self._mm,
            "fields": [
                _field(each, scale, increments=self._increments)
                for each, scale in zip(self._quantities, scales, strict=True)
            ],
            "frames": [{"label": label(image), "failure": image.failure} for image in images],
            "maps": {
                name: base64.b64encode(table.tobytes()).decode("ascii")
                for name, table in (("sequential", colours.sequential()), ("diverging", colours.diverging()))
            },
            "marks": marks,
            "image": None if grey is None else _image(grey, self.grid),
            "planes": [
                [pack(cells[index] * factor) for cells, factor in zip(self._cells, factors, strict=True)]
                for index in range(len(images))
            ],
        }
        return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("</", "<\\/")


def label(image: FrameInfo) -> str:
    """Name a frame, with its time if that is known."""
    return image.name if image.at_s is None else f"{image.name}, {seconds(image.at_s)} s"


def _field(quantity: Quantity, scale: Scale, *, increments: bool) -> dict[str, Any]:
    between = ", from frame to frame" if increments and quantity.kind != PLAIN else ""
    return {
        "name": quantity.name,
        "words": f"{quantity.words}{between}",
        "unit": scale.unit,
        "low": scale.low,
        "high": scale.high,
        "map": "diverging" if scale.diverging else "sequential",
    }


def _image(grey: FloatArray, grid: Grid) -> str:
    """Return the part of an image that a grid covers, as a JPEG in a data URL."""
    height, width = grid.rows * grid.step, grid.columns * grid.step
    part = grey[grid.y : grid.y + height, grid.x : grid.x + width]
    part = np.pad(
        part, ((0, height - part.shape[0]), (0, width - part.shape[1])), mode="edge"
    )  # the last cells jut out
    low, high = np.percentile(part, (0.5, 99.5))
    levels = np.clip((part - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(levels)
    image.thumbnail((_IMAGE_PX, _IMAGE_PX), Image.Resampling.BOX)
    content = io.BytesIO()
    image.save(content, "JPEG", quality=_IMAGE_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode("ascii")
