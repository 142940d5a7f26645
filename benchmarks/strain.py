"""Strain: errors on analytic fields, and the noise against the size of the virtual strain gauge.

    python benchmarks/strain.py

The first table takes the strain of affine displacements without noise, rounded to float32 as results are, about a hole
and with points missing here and there. The second measures the unmoved star of `examples/star` (noise as in the DIC
Challenge 2.0), where every strain is an error, with all windows and with one of 5 px; 25 px at the border are left out.
It sets the standard deviation of the points beside the standard uncertainty that is stated. The last lines tell over
what the displacement was averaged, from the autocorrelation of its errors: the square root of its sum over
distances, as the standard deviation of a Gaussian window. `gauge.ADAPTIVE_AVERAGING_PX` and `NETWORK_AVERAGING_PX` are
from there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import scorrnet_cli as sc
from scorrnet_cli.gauge import MEASURES, StrainSettings
from scorrnet_cli.strain import strain

STAR = Path(__file__).parents[1] / "examples" / "star"
FIELDS = {
    "2 % tension, 1 degree": (0.02, -0.006, 1.0),
    "10 % tension, 20 degrees": (0.10, -0.04, 20.0),
    "30 % tension, 45 degrees": (0.30, -0.12, 45.0),
}
WINDOWS_PX = (9, 15, 25, 41, 61, 101)
RIM_PX = 25
REACH_PX = 40  # errors farther apart than this are taken as independent
Array = NDArray[np.float64]


def gradient_of(along: float, across: float, degrees: float) -> Array:
    """Deformation gradient (2, 2) of a stretch along a line at 30 degrees, then turned."""
    axes, turn = rotation(30.0), rotation(degrees)
    return np.asarray(turn @ axes @ np.diag([1 + along, 1 + across]) @ axes.T)


def rotation(degrees: float) -> Array:
    """Rotation (2, 2) from +x towards +y."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s], [s, c]])


def true_strain(gradient: Array, measure: str) -> Array:
    """Strain tensor (2, 2), by matrix functions."""
    identity = np.eye(2)
    if measure == "small":
        return 0.5 * (gradient + gradient.T) - identity
    if measure == "euler-almansi":
        return np.asarray(0.5 * (identity - np.linalg.inv(gradient @ gradient.T)))
    squares, axes = np.linalg.eigh(gradient.T @ gradient)
    principal = 0.5 * np.log(squares) if measure == "hencky" else 0.5 * (squares - 1)
    return np.asarray(axes @ np.diag(principal) @ axes.T)


def print_errors() -> None:
    """Print the largest error of any component anywhere."""
    y, x = np.mgrid[:256, :256] - 127.5
    valid = (np.hypot(x, y) > 30) & (np.random.default_rng(0).random(x.shape) > 0.05)
    print("| field | order | " + " | ".join(MEASURES) + " |")
    print("|---|---|" + "---|" * len(MEASURES))
    for name, stretch in FIELDS.items():
        gradient = gradient_of(*stretch)
        slope = gradient - np.eye(2)
        u, v = ((row[0] * x + row[1] * y)[None].astype(np.float32) for row in slope)
        for order in (1, 2):
            cells = []
            for measure in MEASURES:
                found = strain(u, v, valid[None], StrainSettings(measure=measure, order=order))
                truth = true_strain(gradient, measure)
                pairs = ((found.exx, truth[0, 0]), (found.eyy, truth[1, 1]), (found.exy, truth[0, 1]))
                cells.append(max(float(np.nanmax(abs(array - value))) for array, value in pairs))
            print(f"| {name} | {order} | " + " | ".join(f"{cell:.1e}" for cell in cells) + " |")


def print_noise() -> None:
    """Print the noise of strain where nothing moved."""
    settings = {
        "all windows": sc.Settings(),
        "window 5 px": sc.Settings(window_px=5.0),
        "not refined": sc.Settings(refine=False),
    }
    fields = {name: sc.measure(STAR / "reference.png", STAR / "unmoved.png", how) for name, how in settings.items()}
    print("\n| refinement | window, px | VSG, px | noise of exx | stated | eyy | stated | exy | stated |")
    print("|---|---|---|---|---|---|---|---|---|")
    inner = (0, slice(RIM_PX, -RIM_PX), slice(RIM_PX, -RIM_PX))
    for name, field in fields.items():
        for window in WINDOWS_PX:
            found = field.strain(window=window)
            cells = []
            for component in ("exx", "eyy", "exy"):
                cells.append(float(np.nanstd(getattr(found, component)[inner])))
                cells.append(float(np.sqrt(np.mean(getattr(found, f"sigma_{component}")[inner] ** 2))))
            figures = " | ".join(f"{cell:.1e}" if np.isfinite(cell) else "-" for cell in cells)
            print(f"| {name} | {window} | {found.vsg_size_px} | {figures} |")
    print()
    for name, field in fields.items():
        lengths = ", ".join(f"{averaging(part[inner].astype(np.float64)):.1f}" for part in (field.u, field.v))
        print(f"{name}: u, v averaged over a Gaussian window of {lengths} px")


def averaging(errors: Array) -> float:
    """Standard deviation of the Gaussian window whose averages of independent errors are correlated as much, px."""
    errors = np.nan_to_num(errors - np.nanmean(errors))
    size = [2 * side for side in errors.shape]
    sums, counts = (np.fft.irfft2(abs(np.fft.rfft2(part, size)) ** 2, size) for part in (errors, np.ones_like(errors)))
    near = np.ix_(*[np.arange(-REACH_PX, REACH_PX + 1)] * 2)
    correlation = (sums[near] / counts[near]) / (sums[0, 0] / counts[0, 0])
    return float(np.sqrt(correlation.sum() / (4 * np.pi)))


if __name__ == "__main__":
    print_errors()
    print_noise()
