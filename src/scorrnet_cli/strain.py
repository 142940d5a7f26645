"""Strain from displacement: a polynomial fitted about every point, and the measure of strain from its slopes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from scorrnet_cli.arrays import AnyFloatArray, BoolArray, FloatArray
from scorrnet_cli.breakage.bodies import bodies
from scorrnet_cli.breakage.lips import Lip, lips
from scorrnet_cli.field import Field
from scorrnet_cli.gauge import ARRAYS, Strain, StrainSettings
from scorrnet_cli.numerics.local_fit import slopes
from scorrnet_cli.strain_measures import strain_of_slopes
from scorrnet_cli.strain_uncertainty import bin_px_of, reasons, uncertainty, window_of

STRIP_POINTS = 2**18  # that are worked on at once, to bound the memory
LARGEST_PREFERENCE = 10.0  # how many times the weight of a middling point the surest point has

_Pair: TypeAlias = tuple[AnyFloatArray, AnyFloatArray]  # (H, W) each, along x and y
_Doubt: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor, StrainSettings], Tensor]  # as `uncertainty`


def strain_of(field: Field, how: StrainSettings | None = None) -> Strain:
    """Take the strain of a measured field.

    Parameters
    ----------
    field : Field
    how : StrainSettings, optional
        If not given, what the settings of the field's measurement say.
    """
    how = how or field.process.settings.gauge
    return strain(field.u, field.v, field.valid, how, (field.sigma_u, field.sigma_v))


def with_strain(field: Field) -> Field:
    """Take the strain of a field if its settings ask for it: the last stage, of displacements that are final."""
    return replace(field, strain_field=strain_of(field)) if field.process.settings.strain else field


def strain(
    u: AnyFloatArray,
    v: AnyFloatArray,
    valid: BoolArray,
    how: StrainSettings,
    sigma: tuple[AnyFloatArray, AnyFloatArray] | None = None,
) -> Strain:
    """Take strain from displacement by local polynomial fits.

    Parameters
    ----------
    u, v : (T, H, W) float
        Displacement to the right and down, px, at reference pixels.
    valid : (T, H, W) bool
        True where it can be used.
    how : StrainSettings
    sigma : pair of (T, H, W) float, optional
        Standard uncertainties of `u` and `v`, px; NaN where unknown. Points weigh 1 / (sigma_u^2 + sigma_v^2), within
        a tenth to ten times the middling weight of the frame.

    Returns
    -------
    Strain
        NaN where `valid` is False, less than a tenth of the window is valid, or the points lie in a line.
    """
    planes = np.full((len(ARRAYS), *u.shape), np.nan, np.float32)
    for index in range(len(u)):
        moved = u[index], v[index]
        stated = None if sigma is None else (sigma[0][index], sigma[1][index])
        whole = _whole(moved, valid[index], stated)
        for part in whole.parts:
            _take(moved, part, stated, whole.middling, how, planes[:, index], uncertainty)
    return Strain(**dict(zip(ARRAYS, planes, strict=True)), how=how)


def too_wide(how: StrainSettings, mask: BoolArray) -> str:
    """Say so if the gauge is wider than the surface (H, W) that it is laid on; empty if it is not."""
    rows, columns = (int(np.ptp(np.flatnonzero(mask.any(axis)))) + 1 if mask.any() else 0 for axis in (1, 0))
    if min(rows, columns) >= how.window_px:
        return ""
    what = f"the strain window of {how.window_px} px is wider than the surface of {columns} x {rows} px"
    return f"{what}: the gauge is no longer than that, whatever is stated; try a smaller --strain-window"


class Whole(NamedTuple):
    """What the strain of a part of a frame depends on of the whole frame.

    Attributes
    ----------
    middling : float
        Median of sigma_u^2 + sigma_v^2, px^2, which weighs the points; NaN if unknown.
    parts : list of Lip
        The bodies that move apart, and the lips of cracks in them.
    """

    middling: float
    parts: list[Lip]


def whole_of(field: Field) -> Whole:
    """Look at a whole frame (T = 1), for `strain_within`."""
    return _whole((field.u[0], field.v[0]), field.valid[0], (field.sigma_u[0], field.sigma_v[0]))


def strain_within(field: Field, how: StrainSettings, rows: slice, columns: slice, whole: Whole) -> Strain:
    """Take the strain of a part of a frame: what the strain of the whole frame has there.

    Parameters
    ----------
    field : Field
        The frame, T = 1.
    how : StrainSettings
    rows, columns : slice
        The part, with both ends.
    whole : Whole
        Of the frame.

    Returns
    -------
    Strain
        (1, h, w), as `strain` gives it.
    """
    planes = _within(field, how, rows, columns, whole, uncertainty, len(ARRAYS))
    return Strain(**{name: plane[None] for name, plane in zip(ARRAYS, planes, strict=True)}, how=how)


class Doubts(NamedTuple):
    """Why strain is uncertain; by both, the uncertainty of its mean over some points is found.

    Arrays are (h, w) float32, NaN where nothing is known, of exx, eyy and exy each.

    Attributes
    ----------
    noise : tuple of (h, w) float32
        Standard uncertainties by noise alone.
    missed : tuple of (h, w) float32
        What a gauge of half the size finds more: it is blunted, and noise.
    """

    noise: tuple[FloatArray, ...]
    missed: tuple[FloatArray, ...]


def doubts_within(field: Field, how: StrainSettings, rows: slice, columns: slice, whole: Whole) -> Doubts:
    """Say why the strain of a part of a frame, as `strain_within` takes it, is uncertain.

    Parameters are those of `strain_within`.
    """
    noise, missed = np.split(_within(field, how, rows, columns, whole, reasons, 9)[3:], 2)
    return Doubts(tuple(noise), tuple(missed))


def _within(
    field: Field, how: StrainSettings, rows: slice, columns: slice, whole: Whole, doubt: _Doubt, count: int
) -> FloatArray:
    """Take strain and doubt (count, h, w) of a part of a frame."""
    bin_px, halo = bin_px_of(how), _halo_px(how)
    wider, inner = [], []
    for part in (rows, columns):
        start = max(0, part.start - halo) // bin_px * bin_px  # so that bins are those of the frame
        wider.append(slice(start, -(-(part.stop + halo) // bin_px) * bin_px))
        inner.append(slice(part.start - start, part.stop - start))
    u, v, sigma_u, sigma_v = (getattr(field, name)[0][*wider] for name in ("u", "v", "sigma_u", "sigma_v"))
    planes = np.full((count, *u.shape), np.nan, np.float32)
    for lip in whole.parts:
        near = Lip(lip.sees[*wider], lip.owned[*wider])
        _take((u, v), near, (sigma_u, sigma_v), whole.middling, how, planes, doubt)
    return planes[:, *inner]


def _take(
    moved: _Pair,
    part: Lip,
    sigma: _Pair | None,
    middling: float,
    how: StrainSettings,
    out: FloatArray,
    doubt: _Doubt,
) -> None:
    """Take the strains of one part and the doubt about them, strip by strip, and put them into `out` (N, H, W)."""
    height, width = part.sees.shape
    bin_px, halo = bin_px_of(how), _halo_px(how)
    if math.isnan(middling):
        sigma = None
    step = max(1, STRIP_POINTS // (width * bin_px), halo // bin_px) * bin_px  # the halo is worked on anew in each
    for top in range(0, height, step):
        start, bottom = max(0, top - halo), min(height, top + step)
        rows, inner = slice(start, bottom + halo), slice(top - start, bottom - start)
        mine = part.owned[top:bottom]
        if not bool(mine.any()):
            continue
        known = part.sees[rows]
        stated = None if sigma is None else _strip(sigma, rows)
        weight = known.double() if stated is None else _weights(known, stated, middling)
        if stated is not None:  # what is not known counts as it weighs
            stated = stated.where(stated.isfinite(), math.sqrt(0.5 * LARGEST_PREFERENCE * middling))
        there = _strip(moved, rows).where(known, 0.0)
        gradient = slopes(there, weight, window_of(how, 1))
        found = torch.full((len(out), bottom - top, width), math.nan, dtype=torch.float64)
        found[:3] = strain_of_slopes(gradient, how.measure)[:, inner]
        if stated is not None:
            found[3:] = doubt(there, gradient, stated, weight, how)[:, inner]
        measured = mine & found[:3].isfinite().all(0)
        np.copyto(out[:, top:bottom], found.float().numpy(), where=measured.numpy())


def _whole(moved: _Pair, valid: BoolArray, sigma: _Pair | None) -> Whole:
    return Whole(_middling(moved, valid, sigma), _parts(moved, valid))


def _parts(moved: _Pair, valid: BoolArray) -> list[Lip]:
    """Tell the parts that move apart, by what is valid: what lies between two of them is no strain."""
    known = _known(moved, valid)
    field = torch.from_numpy(np.stack([np.where(known, part, 0.0) for part in moved]).astype(np.float32, copy=False))
    return [lip for body in bodies(torch.from_numpy(known), field) for lip in lips(body, field)]


def _strip(pair: _Pair, rows: slice) -> Tensor:
    """Return some rows (2, h, W) of two arrays, float64."""
    return torch.from_numpy(np.stack([part[rows] for part in pair])).double()


def _known(moved: _Pair, valid: BoolArray) -> BoolArray:
    """Where displacement can be used."""
    return valid & np.isfinite(moved[0]) & np.isfinite(moved[1])


def _middling(moved: _Pair, valid: BoolArray, sigma: _Pair | None) -> float:
    """Median of the variance sigma_u^2 + sigma_v^2 of a frame, px^2; NaN if it is not known anywhere."""
    if sigma is None:
        return math.nan
    variance = np.square(sigma[0], dtype=np.float64)
    variance += np.square(sigma[1], dtype=np.float64)
    stated = variance[_known(moved, valid) & np.isfinite(variance)]
    if not stated.size:
        return math.nan
    middle = (stated.size - 1) // 2
    stated.partition(middle)
    return float(stated[middle])


def _halo_px(how: StrainSettings) -> int:
    """How far around a point its strain and uncertainty depend on others, px; a multiple of the bins."""
    bin_px, reach = bin_px_of(how), how.window_px // 2 * 2
    return bin_px * (reach // bin_px + 2)  # a bin more than the windows reach, to interpolate


def _weights(known: Tensor, sigma: Tensor, middling: float) -> Tensor:
    """Weights (H, W) by the uncertainties (2, H, W); where these are not known, the least."""
    relative = (sigma**2).sum(0) / middling
    limited = relative.nan_to_num(LARGEST_PREFERENCE).clamp(1 / LARGEST_PREFERENCE, LARGEST_PREFERENCE)
    return known / limited
