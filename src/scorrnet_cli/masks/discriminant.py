"""What is doubted in an image is told apart by what is not: the surface there, and what lies around it there.

The networks know surfaces and backgrounds of all kinds, and doubt what could be either. But the gravel right beside a
specimen is that farther off, and what is seen through a hole mostly is what lies around. So a logistic discriminant of
second order learns from the image itself how its surface differs from the surroundings, and judges what is doubted.
What it is sure of then is learned from, too, and the rest is judged once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from scorrnet_cli.masks.looks import LIKELY
from scorrnet_cli.numerics.filters import masked_gaussian, wide_mean
from scorrnet_cli.numerics.morphology import dilated, eroded, highest, in_squares
from scorrnet_cli.numerics.tiles import Tile, cut, fill

SURELY, SURELY_NOT = 0.8, 0.03  # probabilities above and below which points are learned from
SURFACE_EDGE_PX, OTHER_EDGE_PX = 3, 5  # that far from where they end
AROUND_PX = 60  # of the surface: what lies farther off is learned from if there is too little
LEAST, MOST = 1500, 6000  # points of either that are learned from
DARKEST, BRIGHTEST = 0.2, 1.4  # light on half of the points of the surface as it is learned, beside its own
DOUBTED = (0.05, 0.95)  # probabilities between which a point is judged
TAKEN = 0.5  # probability of what looked unlikely and is of the surface
MOST_ODDS = 6.0  # as logarithms, and so are those beyond which a judgement counts
NOT, SURFACE = -2.0, 1.5
CLOSE_NOT, CLOSE_SURFACE = -3.0, 0.0  # of what is seen from close by
WIDE_NOT = 0.5  # of wide windows of what is likely alone: of the surface hardly any is as low
SMOOTH_PX, CLOSE_SMOOTH_PX, WIDE_SMOOTH_PX = 3.0, 1.5, 8.0  # standard deviations of the windows whose means are judged
ROUNDS = 2
HALF_PX = 3  # half the side of the squares that what is changed consists of
WIDE_HALF_PX, WIDE_REACH_PX = (
    9,
    32,
)  # of those that what differs in wide windows holds, and how far about them it counts
NOISE_PX = 0.8
WINDOWS_PX = (1.5, 3.0, 6.0)  # standard deviations
CLOSE = 9  # the first of the features, which see no farther than the narrowest window
RIDGE, NEWTON_STEPS, LEAST_CURVATURE = 1e-4, 8, 1e-4
HALO_PX = 32  # more than the features see

Odds: TypeAlias = Callable[[Tensor], Tensor]


def told_apart(image: Tensor, probability: Tensor) -> Tensor:
    """Judge what is doubted in an image by the rest of it.

    Parameters
    ----------
    image : (H, W) float32
        Grey levels of any scale, 0 where there is no light.
    probability : (H, W) float32
        That each pixel shows the surface.

    Returns
    -------
    (H, W) float32
        0 for what is like the surroundings, from afar or from close by, or hardly like the surface in a wide window;
        `TAKEN` for what looked unlikely and is like the surface, from afar and from close by: from afar a small hole
        looks like what it is in. All else, and everything if there is too little to learn from, is as it was.
    """
    light = image - image.amin().clamp_max(0)
    mean = float(light.mean())
    if not mean > 0:
        return probability
    light = light / mean
    for _ in range(ROUNDS):
        before, probability = probability, _judged(light, probability)
        if torch.equal(probability, before):
            break
    return probability


def _judged(light: Tensor, probability: Tensor) -> Tensor:
    """Do `told_apart` once, on an image (H, W) whose mean is 1."""
    least, most = DOUBTED
    doubted = (probability > least) & (probability < most)
    surface = eroded(probability > SURELY, SURFACE_EDGE_PX)
    others = eroded(probability < SURELY_NOT, OTHER_EDGE_PX)
    near = others & dilated(probability > TAKEN, AROUND_PX)
    others = near if int(near.sum()) >= LEAST else others
    if min(int(surface.sum()), int(others.sum())) < LEAST or not bool(in_squares(doubted, HALF_PX).any()):
        return probability
    known = _some(light, surface, lit=True), _some(light, others, lit=False)
    odds, close_odds = _discriminant(*known), _discriminant(*(features[:, :CLOSE] for features in known))
    seen = dilated(doubted, round(2 * WIDE_SMOOTH_PX))

    def judged(tile: Tile) -> list[Tensor]:
        there = tile.inner.of(seen)
        features = tile.keep(_features(tile.outer.of(light)))[:, there].T
        found = light.new_zeros(2, *there.shape)
        found[:, there] = torch.stack([odds(features), close_odds(features[:, :CLOSE])])
        return [found]

    told = light.new_zeros(2, *light.shape)
    fill([told], seen, HALO_PX, judged)
    told = told.clamp(-MOST_ODDS, MOST_ODDS)
    weight = seen.to(told.dtype)
    (middle,) = masked_gaussian(told[:1], weight, SMOOTH_PX)
    (close,) = masked_gaussian(told[1:], weight, CLOSE_SMOOTH_PX)
    likely = probability > LIKELY
    (wide,) = wide_mean(told[:1], weight * likely, WIDE_SMOOTH_PX)
    hardly = doubted & likely & (wide < WIDE_NOT)
    broad = in_squares(hardly, WIDE_HALF_PX)  # a rim of the surface is seen together with what lies beside it
    hardly = hardly & dilated(broad, WIDE_REACH_PX)
    other = in_squares(doubted & ((middle < NOT) | (close < CLOSE_NOT)) | hardly, HALF_PX)
    same = in_squares(doubted & (probability < TAKEN) & (middle > SURFACE) & (close > CLOSE_SURFACE), HALF_PX)
    return probability.where(~other, 0.0).where(~same, TAKEN)


def _some(light: Tensor, points: Tensor, *, lit: bool) -> Tensor:
    """Features (N, K) of some of the points (H, W) bool; half of them as they were in other light, if `lit`."""
    generator = torch.Generator().manual_seed(0)
    (places,) = points.flatten().nonzero(as_tuple=True)
    chosen = torch.zeros_like(points)
    chosen.view(-1)[places[torch.randint(len(places), (MOST,), generator=generator).to(places.device)]] = True
    parts = [tile.keep(_features(tile.outer.of(light)))[:, tile.inner.of(chosen)] for tile in cut(chosen, HALO_PX)]
    found = torch.cat(parts, 1).T
    if not lit:
        return found
    drawn = torch.rand(2, len(found), 1, generator=generator).to(found.device)
    gain = DARKEST * (BRIGHTEST / DARKEST) ** drawn[0]
    return found * gain.where(drawn[1] < 0.5, 1.0)  # all of them grow with the light as grey levels do


def _features(light: Tensor) -> Tensor:
    """What an image (H, W) looks like around each pixel (K, H, W), all of it in grey levels; from close by to afar."""
    everywhere = torch.ones_like(light)
    (tone,) = masked_gaussian(light[None], everywhere, NOISE_PX)
    along_x, along_y = F.pad(tone[:, 2:] - tone[:, :-2], (1, 1)), F.pad(tone[2:] - tone[:-2], (0, 0, 1, 1))
    slope = torch.hypot(along_x, along_y)
    found = [tone, slope, highest(slope, 2), _lowest(slope, 2)]
    brightest, darkest = tone, tone
    for window, reach in zip(WINDOWS_PX, (2, 2, 3), strict=True):  # squares of 5, 9 and 15 px
        mean = wide_mean if window > 4 else masked_gaussian
        middle, square, steep = mean(torch.stack([light, light**2, slope]), everywhere, window)
        brightest, darkest = highest(brightest, reach), _lowest(darkest, reach)
        found += [middle, (square - middle**2).clamp_min(0).sqrt(), steep, brightest, darkest]
    return torch.stack(found)


def _lowest(values: Tensor, reach_px: int) -> Tensor:
    return -highest(-values, reach_px)


def _discriminant(surface: Tensor, others: Tensor) -> Odds:
    """Learn to tell two classes apart from features (N, K) of either.

    Logistic regression on the features, their squares and products, with a ridge, by Newton's method (Hastie,
    Tibshirani, Friedman, The Elements of Statistical Learning, 2009, 4.4).

    Returns
    -------
    callable
        Gives the logarithms (M,) of the odds that features (M, K) are of the first class.
    """
    both = torch.cat([surface, others])
    middle, spread = both.mean(0), both.std(0) + 1e-6
    count = both.shape[1]
    i, j = torch.triu_indices(count, count, device=both.device)

    def standardised(features: Tensor) -> Tensor:
        return ((features - middle) / spread).clamp(-3, 3)

    z = standardised(both)
    terms = torch.cat([torch.ones_like(z[:, :1]), z, z[:, i] * z[:, j]], 1)
    first = torch.arange(len(both), device=both.device) < len(surface)
    weight = torch.where(first, 0.5 / len(surface), 0.5 / len(others))
    slopes = terms.new_zeros(terms.shape[1])
    ridge = RIDGE * torch.eye(len(slopes), device=both.device)
    for _ in range(NEWTON_STEPS):
        share = (terms @ slopes).sigmoid()
        curvature = (weight * (share * (1 - share)).clamp_min(LEAST_CURVATURE))[:, None] * terms
        pull = terms.T @ (weight * (first.to(share.dtype) - share)) - RIDGE * slopes
        slopes = slopes + torch.linalg.solve(terms.T @ curvature + ridge, pull)
    square = terms.new_zeros(count, count)
    square[i, j] = slopes[1 + count :]

    def odds(features: Tensor) -> Tensor:
        z = standardised(features)
        logarithms: Tensor = slopes[0] + z @ slopes[1 : 1 + count] + ((z @ square) * z).sum(1)
        return logarithms

    return odds
