"""Example image sets with known displacement, rendered from formulas.

The speckle is a Boolean model of overlapping discs that lives in material coordinates. Every image is rendered from
those discs: each sub-sample of a pixel is carried back to the material, and none is interpolated from another image.
So a pair differs by the displacement of the formula, and by the noise of the camera, alone.

Run ``python examples/make_examples.py`` to make the sets anew; ``--out DIR`` puts them elsewhere.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats: TypeAlias = NDArray[np.float64]
Grey: TypeAlias = NDArray[np.uint8]
Map: TypeAlias = Callable[[Floats, Floats], tuple[Floats, Floats]]
Surface: TypeAlias = Callable[[Floats, Floats], tuple[Floats, Floats]]

SUB = 8  # sub-samples per pixel and axis
HALO_PX = 2  # how far the optical blur reaches beyond a pixel
BLUR_PX = 0.55  # standard deviation of the optical blur
MARGIN_PX = 48  # how far the speckle goes on beyond the reference image
TOLERANCE_PX = 1e-9  # of the inverse of the deformation
TRUTH_STEP_PX = 2.0**-16  # stored truth is rounded to this, so that it compresses

RIGID_SEED = 11  # of the speckle; each image takes one of the next for its noise
RIGID_SHAPE = (256, 256)
RIGID_SHIFTS_PX = ((0.25, -0.10), (5.60, 3.35), (-21.3, 17.8))

STAR_SEED = 21
STAR_SHAPE = (251, 1000)
STAR_AMPLITUDE_PX = 0.5
STAR_PERIODS_PX = (10.0, 150.0)

PLATE_SEED = 1
PLATE_SHAPE = (512, 512)
PLATE_CENTRE_PX = (252.0, 257.0)  # of the hole
PLATE_HALF_WIDTH_PX = 153.6
HOLE_RADIUS_PX = 45.3
FAR_STRAIN = 0.0195  # far-field stress over Young's modulus
POISSON = 0.33
PLATE_SHIFT_PX = (12.4, -7.3)
PLATE_TURN_RAD = math.radians(1.0)
BACKGROUND_SHIFT_PX = (-9.0, 14.0)


@dataclass(frozen=True)
class Speckle:
    """Overlapping black discs on white paint, in material coordinates.

    Attributes
    ----------
    discs : (N + 1, 3) float64
        Centre x, y and radius of each disc, px; the last is no disc, its radius is below any distance.
    table : (rows, columns, K) int32
        The discs that touch each cell of 1 px, filled up with N.
    count : (rows, columns) int8
        How many discs touch each cell.
    """

    discs: Floats
    table: NDArray[np.int32]
    count: NDArray[np.int8]

    @classmethod
    def scatter(cls, shape: tuple[int, int], seed: int) -> Speckle:
        """Draw discs of 1.5 to 3 px radius that cover half of an image of `shape` and its margin."""
        rng = np.random.default_rng(seed)
        rows, columns = (size + 2 * MARGIN_PX for size in shape)
        mean_square = (3.0**3 - 1.5**3) / (3 * 1.5)
        number = round(math.log(2.0) / (math.pi * mean_square) * rows * columns)
        discs = rng.random((number, 3)) * (columns, rows, 1.5) + (-MARGIN_PX, -MARGIN_PX, 1.5)
        reach = np.arange(-4, 5)
        offset_y, offset_x = (item.ravel() for item in np.meshgrid(reach, reach, indexing="ij"))
        cell_x = np.floor(discs[:, :1]).astype(np.int64) + offset_x
        cell_y = np.floor(discs[:, 1:2]).astype(np.int64) + offset_y
        apart_x = np.maximum(np.abs(discs[:, :1] - cell_x - 0.5) - 0.5, 0.0)
        apart_y = np.maximum(np.abs(discs[:, 1:2] - cell_y - 0.5) - 0.5, 0.0)
        inside_x = (cell_x >= -MARGIN_PX) & (cell_x < columns - MARGIN_PX)
        inside_y = (cell_y >= -MARGIN_PX) & (cell_y < rows - MARGIN_PX)
        touches = (np.hypot(apart_x, apart_y) < discs[:, 2:] + 1.0 / SUB) & inside_x & inside_y
        owner = np.nonzero(touches)[0]
        cell = ((cell_y + MARGIN_PX) * columns + cell_x + MARGIN_PX)[touches]
        order = np.argsort(cell, kind="stable")
        cell, owner = cell[order], owner[order]
        count = np.bincount(cell, minlength=rows * columns)
        rank = np.arange(cell.size) - (np.cumsum(count) - count)[cell]
        table = np.full((rows * columns, int(count.max())), number, dtype=np.int32)
        table[cell, rank] = owner
        nothing = np.array([[0.0, 0.0, -1e9]])
        return cls(
            np.concatenate([discs, nothing]),
            table.reshape(rows, columns, -1),
            count.astype(np.int8).reshape(rows, columns),
        )

    def ink(self, x: Floats, y: Floats) -> Floats:
        """Share of ink, 0..1, of the sub-samples at the points (x, y) of the material.

        A sub-sample that a disc's edge crosses is covered in proportion to its distance from the edge.
        """
        rows, columns = self.count.shape
        row = np.clip(np.floor(y).astype(np.int64) + MARGIN_PX, 0, rows - 1).ravel()
        column = np.clip(np.floor(x).astype(np.int64) + MARGIN_PX, 0, columns - 1).ravel()
        cell = row * columns + column
        table, count = self.table.reshape(rows * columns, -1), self.count.ravel()[cell]
        flat_x, flat_y = x.ravel(), y.ravel()
        outside = np.full(x.size, 1.0)
        left = np.flatnonzero(count > 0)
        for layer in range(table.shape[1]):
            disc = self.discs[table[cell[left], layer]]
            distance = np.hypot(flat_x[left] - disc[:, 0], flat_y[left] - disc[:, 1]) - disc[:, 2]
            outside[left] = np.minimum(outside[left], np.clip(0.5 + SUB * distance, 0.0, 1.0))
            left = left[(count[left] > layer + 1) & (outside[left] > 0.0)]
        return (1.0 - outside).reshape(x.shape)

    def painted(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Grey level of the painted surface at material points, and its presence: everywhere 1."""
        paint = 184.0 + 0.020 * x - 0.015 * y
        return paint + (46.0 - paint) * self.ink(x, y), np.ones_like(x)


def invert(x: Floats, y: Floats, displacement: Map) -> tuple[Floats, Floats]:
    """Material points (X, Y) with (X, Y) + displacement(X, Y) = (x, y), by fixed-point iteration.

    Raises
    ------
    RuntimeError
        If the displacement is no contraction, so that the iteration does not settle.
    """
    material_x, material_y = x, y
    for _ in range(64):
        u, v = displacement(material_x, material_y)
        step = max(np.abs(x - u - material_x).max(), np.abs(y - v - material_y).max())
        material_x, material_y = x - u, y - v
        if step < TOLERANCE_PX:
            return material_x, material_y
    raise RuntimeError("the deformation could not be inverted")


def pixel_kernel() -> Floats:
    """Weights of the sub-samples along one axis: a pixel's box, blurred by the optics; (2 HALO_PX + 1, SUB)."""
    size = (2 * HALO_PX + 1) * SUB
    at = (np.arange(size) + 0.5) / SUB - (HALO_PX + 0.5)
    edge = [math.erf((s + 0.5) / (BLUR_PX * math.sqrt(2))) for s in at]
    other = [math.erf((s - 0.5) / (BLUR_PX * math.sqrt(2))) for s in at]
    weights: Floats = (np.array(edge) - np.array(other)).reshape(2 * HALO_PX + 1, SUB)
    return weights / float(weights.sum())


def integrate(samples: Floats) -> Floats:
    """Sums over pixels along the last axis: (n, (W + 2 HALO_PX) SUB) becomes (n, W)."""
    lines = samples.reshape(samples.shape[0], -1, SUB)
    width = lines.shape[1] - 2 * HALO_PX
    total = np.zeros((samples.shape[0], width))
    for shift, weights in enumerate(pixel_kernel()):
        total += lines[:, shift : shift + width] @ weights
    return total


def render(
    surface: Surface, to_material: Map, shape: tuple[int, int], rows: tuple[int, int] | None = None
) -> tuple[Floats, Floats]:
    """Picture a surface without noise.

    Parameters
    ----------
    surface : callable
        Grey level and presence (0 or 1) at material points.
    to_material : callable
        Material points seen at image points.
    shape : tuple of int
        Height and width of the image, px.
    rows : tuple of int, optional
        First row and the one after the last, to picture only these.

    Returns
    -------
    grey, cover : (rows, W) float64
        Grey level, weighted with the share of each pixel that the surface covers, and this share.
    """
    first, last = rows or (0, shape[0])
    x = (np.arange((shape[1] + 2 * HALO_PX) * SUB) + 0.5) / SUB - 0.5 - HALO_PX
    y = (np.arange((last - first + 2 * HALO_PX) * SUB) + 0.5) / SUB - 0.5 - HALO_PX + first
    grey, cover = np.empty((y.size, shape[1])), np.empty((y.size, shape[1]))
    for start in range(0, y.size, SUB):
        part = slice(start, start + SUB)
        image_x, image_y = np.meshgrid(x, y[part])
        level, present = surface(*to_material(image_x, image_y))
        grey[part], cover[part] = integrate(level * present), integrate(present)
    return integrate(np.ascontiguousarray(grey.T)).T, integrate(np.ascontiguousarray(cover.T)).T


def photograph(picture: Floats, seed: int) -> Grey:
    """Add camera noise of about 2 grey levels, its variance rising with the grey level, and quantise to 8 bits."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape)
    noisy = picture + np.sqrt(1.0 + 0.024 * picture) * noise
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def still(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The material points of the reference image: the image points themselves."""
    return x, y


def moved_back(u: float, v: float) -> Map:
    """Make the map from image to material points of a rigid shift by (u, v) px."""
    return lambda x, y: (x - u, y - v)


def star_displacement(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Displacement of the star, px, after the DIC Challenge 2.0 (Reu et al. 2022).

    ``u = 0`` and ``v = A cos(2 pi (y - yc) / p(x))``, the period p growing linearly with x.
    """
    low, high = STAR_PERIODS_PX
    period = low + (high - low) * x / (STAR_SHAPE[1] - 1)
    centre = (STAR_SHAPE[0] - 1) / 2
    return np.zeros_like(x), STAR_AMPLITUDE_PX * np.cos(2 * math.pi * (y - centre) / np.maximum(period, low / 2))


def plate_displacement(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Displacement of the plate, px: Kirsch's solution, then a turn about the hole and a shift.

    The solution of Kirsch (1898) for an infinite plate in plane stress, pulled along y, by the potentials of Kolosov
    and Muskhelishvili: ``2 mu (u + i v) = kappa phi - z conj(phi') - conj(psi)``. Well within the hole, where there
    is no plate, the singular terms go on as terms without singularity, so that the map stays invertible.
    """
    a2 = HOLE_RADIUS_PX**2
    offset = (x - PLATE_CENTRE_PX[0]) + 1j * (y - PLATE_CENTRE_PX[1])
    z = -1j * offset  # the real axis lies along the pull
    square = z.real**2 + z.imag**2
    w = a2 * z.conj() / np.maximum(square, 0.64 * a2)  # a^2 / z
    kappa = (3 - POISSON) / (1 + POISSON)
    phi = (z + 2 * w) / 4
    phi_prime = (1 - 2 * w**2 / a2) / 4
    psi = -(z + w - w**3 / a2) / 2
    pulled = FAR_STRAIN * (1 + POISSON) * (kappa * phi - z * phi_prime.conj() - psi.conj())
    turned = np.exp(1j * PLATE_TURN_RAD) * (offset + 1j * pulled) - offset
    return turned.real + PLATE_SHIFT_PX[0], turned.imag + PLATE_SHIFT_PX[1]


def plate_present(x: Floats, y: Floats) -> Floats:
    """1 where a material point belongs to the plate, 0 beside it and in the hole."""
    across, along = x - PLATE_CENTRE_PX[0], y - PLATE_CENTRE_PX[1]
    return ((np.abs(across) <= PLATE_HALF_WIDTH_PX) & (across**2 + along**2 >= HOLE_RADIUS_PX**2)).astype(np.float64)


def plate_mask() -> NDArray[np.bool_]:
    """Pixels of the reference image that the plate covers by half or more."""
    height, width = PLATE_SHAPE
    x, y = ((np.arange(size * SUB) + 0.5) / SUB - 0.5 for size in (width, height))
    share = [plate_present(x[None], rows[:, None]).reshape(SUB, width, SUB).mean((0, 2)) for rows in y.reshape(-1, SUB)]
    mask: NDArray[np.bool_] = np.array(share) >= 0.5
    return mask


@dataclass
class Backdrop:
    """A laboratory out of focus, painted from back to front.

    Attributes
    ----------
    x : (1, W) float64
    y : (H, 1) float64
        Scene coordinates of the pixels, px.
    grey : (H, W) float64
        Grey levels so far.
    """

    x: Floats
    y: Floats
    grey: Floats

    def paint(self, distance: Floats, grey: Floats | float, soft_px: float = 1.5) -> None:
        """Paint where the signed `distance` from an edge is below 0, with a soft edge, as a blurred one looks."""
        self.grey += (0.5 - 0.5 * np.tanh(distance / soft_px)) * (grey - self.grey)

    def box(self, left: float, top: float, right: float, bottom: float) -> Floats:
        """Signed distance from a rectangle, px."""
        across = np.abs(self.x - (left + right) / 2) - (right - left) / 2
        return np.maximum(across, np.abs(self.y - (top + bottom) / 2) - (bottom - top) / 2)

    def disc(self, x: float, y: float, radius: float) -> Floats:
        """Signed distance from a disc, px."""
        return np.hypot(self.x - x, self.y - y) - radius

    def rough(self, seed: int, shortest_px: float, longest_px: float) -> Floats:
        """Noise of unit variance with a spectrum of 1/f: a sum of plane waves."""
        rng = np.random.default_rng(seed)
        waves = 160
        period = shortest_px * (longest_px / shortest_px) ** rng.random(waves)
        angle, phase = 2 * math.pi * rng.random(waves), 2 * math.pi * rng.random(waves)
        total = np.zeros_like(self.grey)
        for p, a, b in zip(period, angle, phase, strict=True):
            total += np.cos(2 * math.pi / p * (self.x * math.cos(a) + self.y * math.sin(a)) + b)
        return total * math.sqrt(2 / waves)

    def leaves(self, seed: int, number: int, box: tuple[float, float, float, float]) -> None:
        """Paint a bush: leaves of all sizes, one before the other, the front ones lighter."""
        rng = np.random.default_rng(seed)
        left, top, right, bottom = box
        for step in range(number):
            x, y = left + (right - left) * rng.random(), top + (bottom - top) * rng.random()
            length, slim, angle = 5 * 4.0 ** rng.random(), 0.25 + 0.3 * rng.random(), 2 * math.pi * rng.random()
            grey = 30 + 55 * step / number + 45 * rng.random() ** 2
            if (x - (left + right) / 2) ** 2 / (right - left) ** 2 + (y - bottom) ** 2 / (
                2 * bottom - 2 * top
            ) ** 2 > 0.25:
                continue
            rows, columns = (
                slice(*np.searchsorted(c.ravel(), (p - 26, p + 26))) for c, p in ((self.y, y), (self.x, x))
            )
            part = Backdrop(self.x[:, columns], self.y[rows], self.grey[rows, columns])
            along = (part.x - x) * math.cos(angle) + (part.y - y) * math.sin(angle)
            across = ((part.y - y) * math.cos(angle) - (part.x - x) * math.sin(angle)) / slim
            part.paint((np.hypot(along, across) - length) * slim, grey + 14 * np.tanh(across / 3), 1.1)


def paint_wall(scene: Backdrop) -> None:
    """Paint the back of the laboratory: the wall, a window with a blind, a clock."""
    scene.grey += 112 - 0.06 * scene.y + 0.03 * scene.x + 3.5 * scene.rough(31, 5, 300)
    scene.paint(scene.box(-60, -60, 84, 158), 66.0, 2.0)
    slat = 176 - 0.20 * scene.y + 16 * np.tanh(3 * np.cos(2 * math.pi * scene.y / 12.5))
    scene.paint(scene.box(-54, -60, 77, 151), slat)
    for x in (-20.0, 52.0):
        scene.paint(np.abs(scene.x - x) - 1.2 + 0 * scene.y, scene.grey - 32 * (scene.y < 151), 1.0)
    scene.paint(scene.disc(458, 84, 33), 52.0)
    scene.paint(scene.disc(458, 84, 28), 166 - 0.2 * (scene.y - 84))
    for hour in range(12):
        angle = hour * math.pi / 6
        scene.paint(scene.disc(458 + 23 * math.sin(angle), 84 - 23 * math.cos(angle), 1.6), 60.0, 1.0)
    scene.paint(scene.box(457, 64, 459.6, 87), 58.0, 1.0)
    scene.paint(scene.box(456, 82.5, 473, 85.5), 58.0, 1.0)


def paint_furniture(scene: Backdrop) -> None:
    """Paint the middle of the laboratory: shelves with boxes and books, seen beside the plate and through its hole."""
    for top, left, right in ((306.0, -70.0, 322.0), (420.0, -70.0, 120.0), (236.0, 398.0, 590.0)):
        scene.paint(scene.box(left + 4, top + 8, right + 6, top + 24), scene.grey - 26, 6.0)
        scene.paint(scene.box(left, top, right, top + 9), 128.0)
        scene.paint(scene.box(left, top + 6, right, top + 9), 84.0)
    rng = np.random.default_rng(32)
    for shelf, first, last in ((306.0, -66.0, 310.0), (420.0, -66.0, 112.0), (236.0, 402.0, 560.0)):
        x = first
        while x < last:
            wide, tall = 9 + 26 * rng.random() ** 2, 34 + 46 * rng.random()
            grey = 48 + 110 * rng.random()
            round_off = grey * (1.06 - 0.22 * ((scene.x - x) / wide - 0.4) ** 2)
            scene.paint(scene.box(x, shelf - tall, x + wide, shelf), round_off, 1.2)
            scene.paint(
                scene.box(x + 2.5, shelf - 0.8 * tall, x + wide - 2.5, shelf - 0.62 * tall), 0.6 * grey + 70, 1.2
            )
            x += wide + 1 + 5 * rng.random() ** 4


def paint_front(scene: Backdrop) -> None:
    """Paint what stands near the plate: a column of the testing machine, a cable and a pot plant."""
    middle, half = 36.0, 17.0
    across = np.clip((scene.x - middle) / half, -1, 1)
    steel = 58 + 84 * np.sqrt(1 - across**2) * (0.55 + 0.45 * np.cos(3.1 * (across + 0.35)))
    scene.paint(scene.box(middle - half, 330, middle + half, 700), steel + 5 * np.cos(scene.y / 1.7), 1.2)
    scene.paint(scene.box(middle - half - 9, 322, middle + half + 9, 352), 74 - 10 * across, 1.4)
    for x in (middle - 16, middle + 16):
        scene.paint(scene.disc(x, 337, 4.2), 118 + 4 * (x - scene.x), 1.2)
    hang = 262 + 38 * np.sin((scene.x - 380) / 46.0)
    scene.paint(np.abs(scene.y - hang) / 1.3 - 3.2, 40.0 + 9 * np.tanh((hang - scene.y) / 2), 1.2)
    scene.paint(scene.box(428, 452, 498, 600), 118 - 0.014 * (scene.x - 448) ** 2, 1.5)
    scene.paint(scene.box(422, 446, 504, 460), 132 - 0.014 * (scene.x - 448) ** 2, 1.5)
    scene.leaves(33, 620, (404, 282, 530, 452))


def background(shift_px: tuple[float, float]) -> Floats:
    """Picture the background without noise, all of it moved by `shift_px`; (H, W) float64."""
    height, width = PLATE_SHAPE
    x, y = np.arange(width, dtype=np.float64) - shift_px[0], np.arange(height, dtype=np.float64) - shift_px[1]
    scene = Backdrop(x[None, :], y[:, None], np.zeros(PLATE_SHAPE))
    paint_wall(scene)
    paint_furniture(scene)
    paint_front(scene)
    return np.clip(scene.grey + 1.5 * scene.rough(34, 6, 80), 12, 235)


def truth_of(displacement: Map, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Displacement u, v at the pixel centres of the reference image, px; (2, H, W) float32."""
    x, y = np.meshgrid(np.arange(shape[1], dtype=np.float64), np.arange(shape[0], dtype=np.float64))
    return (np.rint(np.stack(displacement(x, y)) / TRUTH_STEP_PX) * TRUTH_STEP_PX).astype(np.float32)


def save(path: Path, image: Grey) -> None:
    """Write a grey PNG as small as Pillow can make it."""
    Image.fromarray(image).save(path, optimize=True)


def save_truth(path: Path, u: NDArray[np.float32], v: NDArray[np.float32]) -> None:
    """Write the arrays `u` and `v` for ``np.load``, by LZMA: half the size that savez_compressed gives."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in (("u", u), ("v", v)):
            entry = io.BytesIO()
            np.save(entry, array)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), entry.getvalue(), zipfile.ZIP_LZMA)


def make_rigid_shift(folder: Path) -> None:
    """Make the set of rigid shifts: a reference, three deformed images, truth.json."""
    speckle = Speckle.scatter(RIGID_SHAPE, RIGID_SEED)
    save(folder / "reference.png", photograph(render(speckle.painted, still, RIGID_SHAPE)[0], RIGID_SEED + 1))
    truth = {}
    for number, (u, v) in enumerate(RIGID_SHIFTS_PX, start=1):
        picture = render(speckle.painted, moved_back(u, v), RIGID_SHAPE)[0]
        save(folder / f"deformed_{number}.png", photograph(picture, RIGID_SEED + 1 + number))
        truth[f"deformed_{number}.png"] = {"u_px": u, "v_px": v}
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


def make_star(folder: Path) -> None:
    """Make the star: a reference, its second picture unmoved.png, a deformed image, truth.npz."""
    speckle = Speckle.scatter(STAR_SHAPE, STAR_SEED)
    reference = render(speckle.painted, still, STAR_SHAPE)[0]
    save(folder / "reference.png", photograph(reference, STAR_SEED + 1))
    save(folder / "unmoved.png", photograph(reference, STAR_SEED + 2))
    deformed = render(speckle.painted, lambda x, y: invert(x, y, star_displacement), STAR_SHAPE)[0]
    save(folder / "deformed.png", photograph(deformed, STAR_SEED + 3))
    u, v = truth_of(star_displacement, STAR_SHAPE)
    save_truth(folder / "truth.npz", u, v)


def plate_picture(
    speckle: Speckle, to_material: Map, shift_px: tuple[float, float], rows: tuple[int, int] | None = None
) -> Floats:
    """Picture the plate, or `rows` of it, before its background, which has moved by `shift_px`; without noise."""

    def surface(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return speckle.painted(x, y)[0], plate_present(x, y)

    grey, cover = render(surface, to_material, PLATE_SHAPE, rows)
    return grey + (1.0 - cover) * background(shift_px)[slice(*(rows or (None,)))]


def make_plate_hole(folder: Path) -> None:
    """Make the plate with a hole: a reference, a deformed image, mask.png, truth.npz."""
    speckle = Speckle.scatter(PLATE_SHAPE, PLATE_SEED)
    save(folder / "reference.png", photograph(plate_picture(speckle, still, (0.0, 0.0)), PLATE_SEED + 1))
    deformed = plate_picture(speckle, lambda x, y: invert(x, y, plate_displacement), BACKGROUND_SHIFT_PX)
    save(folder / "deformed.png", photograph(deformed, PLATE_SEED + 2))
    mask = plate_mask()
    save(folder / "mask.png", np.where(mask, 255, 0).astype(np.uint8))
    u, v = np.where(mask, truth_of(plate_displacement, PLATE_SHAPE), np.float32(np.nan))
    save_truth(folder / "truth.npz", u, v)


SETS = {"plate_hole": make_plate_hole, "star": make_star, "rigid_shift": make_rigid_shift}


def main() -> None:
    """Make the sets that the command line names."""
    parser = argparse.ArgumentParser(description="Make the example image sets anew.")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"which: {', '.join(SETS)} (default: all)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to put the sets in")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.sets) - set(SETS))
    if unknown:
        parser.error(f"no set is called {unknown[0]}; there are {', '.join(SETS)}")
    for name in arguments.sets or SETS:
        folder = arguments.out / name
        folder.mkdir(parents=True, exist_ok=True)
        SETS[name](folder)


if __name__ == "__main__":
    main()
