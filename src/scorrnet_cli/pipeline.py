"""One measurement from frames to Field: segment, displace, refine."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from scorrnet_cli import weights
from scorrnet_cli.allocation import keep_freed_memory
from scorrnet_cli.device import choose_device, describe
from scorrnet_cli.errors import FrameError, MeasurementError
from scorrnet_cli.field import PER_PIXEL, BoolArray, Field, FrameInfo, Process
from scorrnet_cli.frames import Frame, check_same_shape, read_mask, sha256
from scorrnet_cli.gauge import DEFAULT_PASSES
from scorrnet_cli.hidden import hidden
from scorrnet_cli.levels import standard_levels
from scorrnet_cli.location import Located, Seen, locate, seen, seen_without_glints
from scorrnet_cli.matching import Spline, Surface, deformed_spline
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import ENet
from scorrnet_cli.models.fusion import FusionNet
from scorrnet_cli.overview import overview
from scorrnet_cli.patchwork import Stage, by_tiles
from scorrnet_cli.periodicity import period_px
from scorrnet_cli.refine import (
    ASSESSMENT_HALO_PX,
    Refined,
    Refinement,
    assess,
    halo_px,
    refine,
    refine_adaptively,
)
from scorrnet_cli.segment import LIKELY, paint_probability
from scorrnet_cli.settings import WHOLE_IMAGE, Settings
from scorrnet_cli.severed import Part, joined, severed
from scorrnet_cli.sureness import Sureness, sureness
from scorrnet_cli.version import __version__

SMALLEST_SURFACE_PX = 256
LEAST_FOUND = 0.001  # share of the surface; so many points match by chance in an image of something else


@dataclass(frozen=True)
class Instruments:
    """Networks on their device, and the settings to use them with.

    Attributes
    ----------
    settings : Settings
    where : torch.device
    segmentation : ENet or None
        None if the mask is given by the user.
    displacement : CorrNet
    refinement : FusionNet or None
        None if the field is not refined, or with one window.
    hashes : dict of str to str
        sha256 of the weights of each network used.
    mask_sha256 : str
        That of the mask file that the user gave; empty if there is none.
    """

    settings: Settings
    where: torch.device
    segmentation: ENet | None
    displacement: CorrNet
    refinement: FusionNet | None
    hashes: dict[str, str]
    mask_sha256: str = ""

    @property
    def device(self) -> str:
        """Name of the device, for people."""
        return describe(self.where)

    def process(self) -> Process:
        """Return how results are made from here on."""
        date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        return Process(__version__, date, self.device, self.hashes, self.settings, self.mask_sha256)


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
        Shift at which the pattern is like itself again, px; None if at none.
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
        of_mask = self.sureness.warnings if self.sureness else ()
        if self.period_px is None:
            return of_mask
        what = f"the pattern repeats every {self.period_px:.0f} px, and displacements may be wrong by such steps"
        return (*of_mask, f"{what}; compare them with the motion that you expect, or use a random pattern")

    @property
    def surface(self) -> Surface:
        """The image as it is, for comparison."""
        return self.seen.surface

    @property
    def mask(self) -> BoolArray:
        """Where the surface is measured, (H, W) bool."""
        mask: BoolArray = self.surface.mask.cpu().numpy()
        return mask


def load(settings: Settings) -> Instruments:
    """Choose the device and load the networks onto it.

    From then on the process keeps the memory that it frees, see `keep_freed_memory`.

    Raises
    ------
    DeviceError
        If the device asked for is absent.
    WeightsError
        If weights are missing, damaged or of another network.
    """
    keep_freed_memory()
    device = choose_device(settings.device)
    hashes: dict[str, str] = {}
    segmentation = None
    if settings.mask is None:
        given = _path(settings.segmentation_weights)
        segmentation, hashes["segmentation"] = weights.load_network("segmentation", device, given)
    given = _path(settings.displacement_weights)
    displacement, hashes["displacement"] = weights.load_network("displacement", device, given)
    refinement = None
    if settings.refine and settings.window_px is None:
        given = _path(settings.refinement_weights)
        refinement, hashes["refinement"] = weights.load_network("refinement", device, given)
    mask = settings.mask_file
    digest = sha256(mask) if mask and mask.is_file() else ""  # where there is none, `prepare` says so
    return Instruments(settings, device, segmentation, displacement, refinement, hashes, digest)


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
    grey = _standard(reference, instruments.where)
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
    return Prepared(reference, plain, bare, instruments.process(), sure, period_px(grey, mask))


def measure_pair(instruments: Instruments, prepared: Prepared, deformed: Frame, start: Tensor | None = None) -> Field:
    """Measure the displacement between the reference and one deformed image.

    Parameters
    ----------
    instruments : Instruments
    prepared : Prepared
    deformed : Frame
    start : (2, H, W) float32, optional
        Displacement to start from, px, within 40 px of the truth. Without it, motion is found however large.

    Returns
    -------
    Field
        With T = 1.

    Raises
    ------
    FrameError
        If the shapes differ.
    MeasurementError
        If next to no point could be measured.
    """
    check_same_shape(prepared.frame, deformed)
    found = _found_again(instruments, prepared, deformed, start, is_last=not instruments.settings.refine)
    parts = severed(*found)
    result = joined(parts, [_refined(instruments, part, found.deformed) for part in parts])
    if len(parts) > 1:
        result = result._replace(valid=result.valid & ~hidden(result))
    if int(result.valid.sum()) < LEAST_FOUND * int(prepared.surface.mask.sum()):
        what = "Next to nothing of the surface was found again in the deformed image"
        raise MeasurementError(what, deformed.info.name, "Does it show the same specimen?")
    return field_of(prepared, deformed.info, result)


def assess_pair(instruments: Instruments, prepared: Prepared, deformed: Frame, field: Tensor) -> Field:
    """Say how well a displacement (2, H, W), px, matches reference and deformed image; u and v stay as they are.

    Raises
    ------
    MeasurementError
        If the deformed image has no contrast.
    """
    grey = _standard(deformed, instruments.where)
    ready = Spline(deformed_spline(prepared.surface, grey))
    judged = by_tiles(assess, prepared.surface, ready, field, ASSESSMENT_HALO_PX)
    return field_of(prepared, deformed.info, judged)


def located(instruments: Instruments, prepared: Prepared, deformed: Frame) -> Tensor:
    """Measure the displacement (2, H, W), px, by the network alone: what the refinement starts from.

    It means something inside the mask. Parameters and errors are those of `measure_pair`.
    """
    check_same_shape(prepared.frame, deformed)
    return _found_again(instruments, prepared, deformed).field


def _found_again(
    instruments: Instruments, prepared: Prepared, deformed: Frame, start: Tensor | None = None, *, is_last: bool = False
) -> Located:
    grey = _standard(deformed, instruments.where)
    return locate(instruments.displacement, prepared.seen, prepared.bare, grey, start, is_last=is_last)


def _refined(instruments: Instruments, part: Part, deformed: Spline) -> Refined:
    """Refine the field that the network has found of a part that moves as one, as the settings say."""
    settings = instruments.settings
    if not settings.refine:
        return by_tiles(assess, part.surface, deformed, part.field, ASSESSMENT_HALO_PX)
    seen = overview(part.surface, deformed.coefficients, part.field)
    stage = _stage(instruments, seen.noise)
    return by_tiles(stage, part.surface, deformed, part.field, halo_px(settings.window_px), seen.motion)


def _stage(instruments: Instruments, noise: Tensor) -> Stage:
    settings, network = instruments.settings, instruments.refinement
    if network is not None:
        return lambda reference, deformed, start: refine_adaptively(reference, deformed, start, network, noise)
    assert settings.window_px is not None
    how = Refinement(settings.window_px, settings.passes or DEFAULT_PASSES)
    return lambda reference, deformed, start: refine(reference, deformed, start, how)


def _standard(frame: Frame, where: torch.device) -> Tensor:
    """Image (H, W) on the device, in levels that no stage finds extreme."""
    levels = standard_levels(frame.grey)
    if levels is None:
        raise MeasurementError("The image has no contrast at all", frame.info.name, "Choose another image")
    return torch.from_numpy(levels).to(where)


def field_of(prepared: Prepared, deformed: FrameInfo, result: Refined) -> Field:
    """Return what was measured, (2, H, W) and (H, W), as a result of one frame."""
    mask, valid = prepared.surface.mask, result.valid
    u, v = result.displacement.where(valid, math.nan)
    sigma_u, sigma_v = result.sigma.where(valid, math.nan)
    zncc = result.zncc.where(mask, math.nan)
    tensors = (u, v, mask, valid, zncc, sigma_u, sigma_v, result.fallback & valid)
    arrays = {name: tensor[None].cpu().numpy() for name, tensor in zip(PER_PIXEL, tensors, strict=True)}
    return Field(**arrays, reference=prepared.frame.info, deformed=(deformed,), process=prepared.process)


def _rectangle(roi: tuple[int, int, int, int], image: Tensor, name: str) -> Tensor:
    """Region (H, W) bool of an image (H, W)."""
    x, y, width, height = roi
    if min(x, y) < 0 or x + width > image.shape[1] or y + height > image.shape[0]:
        what = f"The region {x},{y},{width},{height} reaches beyond the image of {image.shape[1]} x {image.shape[0]} px"
        raise FrameError(what, name, "A region is X,Y,W,H: its left upper corner, its width and its height")
    inside = torch.zeros_like(image, dtype=torch.bool)
    inside[y : y + height, x : x + width] = True
    return inside


def _path(value: str | None) -> Path | None:
    return None if value is None else Path(value)
