"""One measurement from frames to Field: load the networks, prepare the reference image, measure each deformed one.

The reference is segmented once; each deformed image is displaced and refined.
"""

from __future__ import annotations

import math

from torch import Tensor

from scorrnet_cli.breakage.severed import Part, joined, severed
from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.field import PER_PIXEL, Field, FrameInfo
from scorrnet_cli.frames import Frame, check_same_shape
from scorrnet_cli.hidden import hidden
from scorrnet_cli.instruments import Instruments, load
from scorrnet_cli.location import Located, locate
from scorrnet_cli.motion.overview import overview
from scorrnet_cli.motion.patchwork import Stage, by_tiles
from scorrnet_cli.numerics.continuation import extrapolate
from scorrnet_cli.preparation import Prepared, prepare, standard
from scorrnet_cli.refine import (
    ASSESSMENT_HALO_PX,
    Refined,
    Refinement,
    assess,
    halo_px,
    refine,
    refine_adaptively,
)
from scorrnet_cli.refinement.matching import Spline, deformed_spline

__all__ = ["Instruments", "Prepared", "assess_pair", "field_of", "load", "located", "measure_pair", "prepare"]

LEAST_FOUND = 0.001  # share of the surface; so many points match by chance in an image of something else


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
        If the deformed image has no contrast, or next to no point could be measured.
    """
    check_same_shape(prepared.frame, deformed)
    settings = instruments.settings
    one_window = settings.refine and instruments.refinement is None
    if start is not None and one_window:  # what a window does not see must not stay from the frame before
        start = extrapolate(start, prepared.surface.mask)
    found = _found_again(instruments, prepared, deformed, start, always_ask=one_window or not settings.refine)
    apart = severed(*found)
    result = joined(apart, [_refined(instruments, part, found.deformed) for part in apart.parts])
    if len(apart.parts) > 1:
        result = result._replace(valid=result.valid & ~hidden(result))
    if int(result.valid.sum()) < LEAST_FOUND * int(prepared.surface.mask.sum()):
        what = "Next to nothing of the surface was found again in the deformed image"
        raise MeasurementError(what, deformed.info.name, "Does it show the same specimen?")
    return field_of(prepared, deformed.info, result)


def assess_pair(instruments: Instruments, prepared: Prepared, deformed: Frame, field: Tensor) -> Field:
    """Say how well a displacement (2, H, W), px, matches reference and deformed image; u and v stay as they are.

    The other parameters are those of `measure_pair`.

    Returns
    -------
    Field
        With T = 1. As always, u and v are NaN where it is not valid; the uncertainties are so everywhere.

    Raises
    ------
    MeasurementError
        If the deformed image has no contrast.
    """
    grey = standard(deformed, instruments.where)
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
    instruments: Instruments,
    prepared: Prepared,
    deformed: Frame,
    start: Tensor | None = None,
    *,
    always_ask: bool = False,
) -> Located:
    grey = standard(deformed, instruments.where)
    return locate(instruments.displacement, prepared.seen, prepared.bare, grey, start, always_ask=always_ask)


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
    how = Refinement(settings.window_px, settings.passes_taken)
    return lambda reference, deformed, start: refine(reference, deformed, start, how)


def field_of(prepared: Prepared, deformed: FrameInfo, result: Refined) -> Field:
    """Return what was measured as a result of one frame.

    Parameters
    ----------
    prepared : Prepared
        The reference image.
    deformed : FrameInfo
        Which image was measured.
    result : Refined
        (2, H, W) and (H, W), of the whole image.

    Returns
    -------
    Field
        With T = 1: displacement and uncertainty NaN where `result` is not valid, zncc outside the mask.
    """
    mask, valid = prepared.surface.mask, result.valid
    u, v = result.displacement.where(valid, math.nan)
    sigma_u, sigma_v = result.sigma.where(valid, math.nan)
    zncc = result.zncc.where(mask, math.nan)
    tensors = (u, v, mask, valid, zncc, sigma_u, sigma_v, result.fallback & valid)
    arrays = {name: tensor[None].cpu().numpy() for name, tensor in zip(PER_PIXEL, tensors, strict=True)}
    return Field(**arrays, reference=prepared.frame.info, deformed=(deformed,), process=prepared.process)
