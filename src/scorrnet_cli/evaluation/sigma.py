"""Whether the stated uncertainty is true: the distribution of (measured - true) / sigma.

Of an honest sigma the ratio has a standard deviation of 1 and exceeds 1.96 at 5 % of the points.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorrnet_cli.evaluation import bias, fields, star, synthetic
from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.metrics import counted_points
from scorrnet_cli.evaluation.rendering import Pair, make_pair, photographed

SYNTHETIC_PAIRS = 16
EVERYTHING = "all"
CASE_COUNT = 3 + len(fields.CASES)


@dataclass(frozen=True)
class SigmaFigures:
    """How the errors of one method compare with its sigma.

    Attributes
    ----------
    method : str
    case : str
        The images, or ``all``, in which every case counts the same.
    std : float
        Standard deviation of (measured - true) / sigma of u and v about zero; NaN if the method gives no sigma.
    p95 : float
        95th percentile of its absolute value; 1.96 if the errors are normally distributed.
    over_3 : float
        Share of points at which it exceeds 3 in absolute value.
    sigma_median_px : float
    """

    method: str
    case: str
    std: float
    p95: float
    over_3: float
    sigma_median_px: float


def sigma_figures(
    methods: Mapping[str, Method], cases: Iterable[tuple[str, Sequence[Pair]]] | None = None
) -> Iterator[SigmaFigures]:
    """Compare errors with sigma on every synthetic case with noise.

    Parameters
    ----------
    methods : mapping of str to Method
    cases : iterable of str and sequence of Pair, optional
        Names and their pairs; `noisy_cases` if not given.
    """
    together: dict[str, list[Tensor]] = {name: [] for name in methods}
    typical: dict[str, list[Tensor]] = {name: [] for name in methods}
    for case, pairs in noisy_cases() if cases is None else cases:
        for name, method in methods.items():
            found = [_ratios(pair, method(pair.reference, pair.deformed, pair.mask)) for pair in pairs]
            ratios, sigmas = (torch.cat(parts) for parts in zip(*found, strict=True))
            yield _figures(name, case, ratios, sigmas)
            if ratios.numel():
                # the same number of points from every case, equidistant ones
                pick = torch.linspace(0, ratios.numel() - 1, 100_000).long()
                together[name].append(ratios[pick])
                typical[name].append(sigmas[pick])
    for name in methods:
        if together[name]:
            yield _figures(name, EVERYTHING, torch.cat(together[name]), torch.cat(typical[name]))


def noisy_cases() -> Iterator[tuple[str, list[Pair]]]:
    """Star, shifts, smooth fields and pairs like those of the training, with noise; names and pairs."""
    yield "star 1-2", [photographed(star.STARS["1-2"].pair(), star.SEED + 1)]
    shifts = bias.shifted_pairs((0.0, 0.25, 0.5, 0.75))
    yield "rigid shifts", [photographed(pair, bias.SEED + 2 * number) for number, pair in enumerate(shifts)]
    for number, case in enumerate(fields.CASES):
        shape = (fields.SIZE_PX, fields.SIZE_PX)
        clean = make_pair(shape, case.displacement, fields.SEED, outline=case.outline)
        yield case.name, [photographed(clean, fields.SEED + 10 + 2 * number)]
    yield "synthetic", [sample.pair for sample in synthetic.samples(SYNTHETIC_PAIRS)]


def _ratios(pair: Pair, found: Measured) -> tuple[Tensor, Tensor]:
    """(measured - true) / sigma, and sigma, of u and v at the valid points that count; (N,) each."""
    counted, truth = found.thinned(counted_points(pair.mask, pair.truth), pair.truth)
    displacement, sigma, valid = found.thinned(found.displacement, found.sigma, found.valid)
    use = counted & valid & torch.isfinite(sigma).all(0)
    ratio = (displacement - truth) / sigma.clamp_min(1e-9)
    return ratio[:, use].flatten(), sigma[:, use].flatten()


def _figures(method: str, case: str, ratios: Tensor, sigmas: Tensor) -> SigmaFigures:
    if not ratios.numel():
        return SigmaFigures(method, case, math.nan, math.nan, math.nan, math.nan)
    sizes = ratios.abs().double()
    return SigmaFigures(
        method=method,
        case=case,
        std=float(sizes.square().mean().sqrt()),
        p95=float(sizes.kthvalue(max(1, round(0.95 * sizes.numel()))).values),
        over_3=float((sizes > 3).double().mean()),
        sigma_median_px=float(sigmas.median()),
    )
