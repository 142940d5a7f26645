"""The noise floor for a report: from a result of images of a scene at rest, or else as the result itself states it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import DISPLACEMENTS, READINGS
from scorrnet_cli.figures import AT_REST_PX
from scorrnet_cli.gauge import StrainSettings
from scorrnet_cli.report.means import FrameMeans
from scorrnet_cli.snapshots import Snapshots
from scorrnet_cli.strain import strain_of


@dataclass(frozen=True)
class Noise:
    """Noise of every quantity.

    Attributes
    ----------
    sigma : dict of str to float
        Standard deviation or uncertainty of `READINGS`: px or 1; NaN if unknown.
    bias : dict of str to float
        Mean of the same; empty if that is not known.
    source : str
        Where it is from, for people.
    remark : str
        What to be careful about; empty if there is nothing.
    """

    sigma: dict[str, float]
    bias: dict[str, float]
    source: str
    remark: str = ""


def measured_noise(static: Snapshots, like: Snapshots, gauge: StrainSettings) -> Noise:
    """Take the noise floor from a result of images between which nothing moved.

    Parameters
    ----------
    static : Snapshots
        That result.
    like : Snapshots
        The result that the report is about.
    gauge : StrainSettings
        How its strain was taken.

    Returns
    -------
    Noise
        Standard deviation over the valid points of a frame, root mean square over the frames (iDICs, A Good Practices
        Guide for Digital Image Correlation, 2018).

    Raises
    ------
    UsageError
        If nothing was measured in it.
    """
    variances: dict[str, list[float]] = {name: [] for name in READINGS}
    means: dict[str, list[float]] = {name: [] for name in READINGS}
    for shown in static.one_by_one(range(len(static))):
        strain = strain_of(shown.field, gauge)
        for name in READINGS:
            values = getattr(shown.field if name in DISPLACEMENTS else strain, name)
            known = values[np.isfinite(values)].astype(np.float64)
            if known.size:
                variances[name].append(float(known.var()))
                means[name].append(float(known.mean()))
    if not variances["u"]:
        raise UsageError("Nothing was measured in the static images", static.result.path, "Give another --noise-floor")
    count = len(variances["u"])
    images = f"{static.result.reference.name} and {count} more" if count > 1 else static.result.deformed[0].name
    bias = {name: float(np.mean(found)) if found else float("nan") for name, found in means.items()}
    moved = max(abs(mean) for name in DISPLACEMENTS for mean in means[name])
    doubts = [f"they moved by {moved:.1f} px and may not be at rest"] if moved > AT_REST_PX else []
    return Noise(
        sigma={name: float(np.sqrt(np.mean(found))) if found else float("nan") for name, found in variances.items()},
        bias=bias,
        source=f"measured between images at rest ({images})",
        remark=", ".join([*doubts, *_differences(static, like)]),
    )


def stated_noise(frame: FrameMeans) -> Noise:
    """Take the standard uncertainties that the result states of one frame; medians over its points."""
    summary = frame.summary
    sigma = {name: getattr(summary if name in DISPLACEMENTS else summary.strain, f"sigma_{name}") for name in READINGS}
    source = f"stated by the software: median standard uncertainty in {summary.image.name}"
    return Noise(sigma, {}, source, "no static images were given (--noise-floor)")


def _differences(static: Snapshots, like: Snapshots) -> list[str]:
    """Say the first thing in which the two results were made differently."""
    one, other = static.result.process, like.result.process
    both = one.weights.keys() & other.weights.keys()  # one window needs none for the refinement
    for what, first, second in (
        ("are of another size", static.result.shape[1:], like.result.shape[1:]),
        (
            "were measured with another refinement",
            (one.settings.refine, one.settings.window_px, one.settings.passes_taken),
            (other.settings.refine, other.settings.window_px, other.settings.passes_taken),
        ),
        ("were measured with other weights", {r: one.weights[r] for r in both}, {r: other.weights[r] for r in both}),
        ("were measured with another version", one.version, other.version),
    ):
        if first != second:
            return [f"the static images {what}"]
    return []
