"""The reference image: where its surface is, made ready for every deformed image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scorrnet_cli.errors import FrameError, MeasurementError
from scorrnet_cli.field import BoolArray, Process
from scorrnet_cli.frames import Frame, read_mask
from scorrnet_cli.images.levels import standard_levels
from scorrnet_cli.instruments import Instruments
from scorrnet_cli.location import Seen, seen, seen_without_glints
from scorrnet_cli.masks.looks import LIKELY
from scorrnet_cli.masks.periodicity import period_px
from scorrnet_cli.masks.sureness import Sureness, sureness
from scorrnet_cli.refinement.matching import Surface
from scorrnet_cli.segment import paint_probability
from scorrnet_cli.settings import WHOLE_IMAGE
from scorrnet_cli.strain import too_wide

SMALLEST_SURFACE_PX = 256


@dataclass(frozen=True)
class Prepared:
    """What depends on the reference image alone, done once.

    Attributes
    ----------
    frame : Frame
        The reference image.
    seen, bare : Seen
        Ready for the stages: as it is, and without what shines on it.
    process : Process
    sureness : Sureness or None
        Of the mask; None if that was given.
    period_px : float or None
        Shift at which the pattern is like itself again, px; None if at none, and where the surface was known before.
    """

    frame: Frame
    seen: Seen
    bare: Seen
    process: Process
    sureness: Sureness | None = None
    period_px: float | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should look at; empty if all is well."""
        said = list(self.sureness.warnings if self.sureness else ())
        if self.period_px is not None:
            what = f"the pattern repeats every {self.period_px:.0f} px, and displacements may be wrong by such steps"
            said.append(f"{what}; compare them with the motion that you expect, or use a random pattern")
        gauge = self.process.settings.asked_gauge
        if gauge and (doubt := too_wide(gauge, self.mask)):
            said.append(doubt)
        return tuple(said)

    @property
    def surface(self) -> Surface:
        """The image as it is, for comparison."""
        return self.seen.surface

    @property
    def mask(self) -> BoolArray:
        """Where the surface is measured, (H, W) bool."""
        mask: BoolArray = self.surface.mask.cpu().numpy()
        return mask


def prepare(instruments: Instruments, reference: Frame, surface_mask: Tensor | None = None) -> Prepared:
    """Find the surface in the reference image.

    Parameters
    ----------
    instruments : Instruments
    reference : Frame
    surface_mask : (H, W) bool, optional
        Where the surface is, if that is known; mask and region of the settings are then not asked.

    Raises
    ------
    FrameError
        If the mask file has another shape or the region reaches beyond the image.
    MeasurementError
        If there is nothing to measure.
    """
    grey = standard(reference, instruments.where)
    name = reference.info.name
    settings = instruments.settings
    sure = None
    region = None if settings.roi is None or surface_mask is not None else _rectangle(settings.roi, grey, name)
    if surface_mask is not None:
        mask = surface_mask
    elif settings.mask == WHOLE_IMAGE:
        mask = torch.ones_like(grey, dtype=torch.bool)
    elif settings.mask_file is not None:
        given = read_mask(settings.mask_file, reference.grey.shape)
        mask = torch.from_numpy(given).to(instruments.where)
    else:
        assert instruments.segmentation is not None
        probability = paint_probability(instruments.segmentation, grey)
        mask = probability > LIKELY
        sure = sureness(probability, mask, region)
    if region is not None:
        mask = mask & region
    todo = "Give the surface with --mask FILE, or measure every pixel with --mask all"
    if settings.mask is not None:
        todo = "Check the mask and the region"
    count = int(mask.sum())
    if count < SMALLEST_SURFACE_PX and region is not None:
        what = f"The region holds {count} px of surface, and {SMALLEST_SURFACE_PX} are needed"
        raise MeasurementError(what, name, "Give a larger region, or the surface with --mask")
    if count < SMALLEST_SURFACE_PX:
        raise MeasurementError("No speckled surface was found in the reference image", name, todo)
    plain = seen(instruments.displacement, grey, mask)
    if int(plain.surface.core.sum()) < SMALLEST_SURFACE_PX:
        raise MeasurementError("The surface is too thin or too scattered to be measured", name, todo)
    if float(grey[mask].std()) == 0:
        raise MeasurementError("The surface has no contrast at all", name, todo)
    bare = seen_without_glints(instruments.displacement, grey, mask, plain)
    period = None if surface_mask is not None else period_px(grey, mask)
    return Prepared(reference, plain, bare, instruments.process(), sure, period)


def standard(frame: Frame, where: torch.device) -> Tensor:
    """Bring an image to the device, (H, W) float32, in levels that no stage finds extreme.

    Raises
    ------
    MeasurementError
        If it has no contrast.
    """
    levels = standard_levels(frame.grey)
    if levels is None:
        raise MeasurementError("The image has no contrast at all", frame.info.name, "Choose another image")
    return torch.from_numpy(levels).to(where)


def _rectangle(roi: tuple[int, int, int, int], image: Tensor, name: str) -> Tensor:
    """Region (H, W) bool of an image (H, W)."""
    x, y, width, height = roi
    if min(x, y) < 0 or x + width > image.shape[1] or y + height > image.shape[0]:
        what = f"The region {x},{y},{width},{height} reaches beyond the image of {image.shape[1]} x {image.shape[0]} px"
        raise FrameError(what, name, "A region is X,Y,W,H: its left upper corner, its width and its height")
    inside = torch.zeros_like(image, dtype=torch.bool)
    inside[y : y + height, x : x + width] = True
    return inside
