"""The facts that the good-practice guide asks a report to state (iDICs, A Good Practices Guide for DIC, 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scorrnet_cli.field import DISPLACEMENTS, READINGS, Process
from scorrnet_cli.gauge import StrainSettings, averagings
from scorrnet_cli.pictures.stills import measure_words
from scorrnet_cli.report.noise import Noise
from scorrnet_cli.settings import WHOLE_IMAGE, Settings
from scorrnet_cli.snapshots import Snapshots

KEPT = 0.9  # of the amplitude of a wave: the spatial resolution is the period of which so much is found
ADAPTIVE_RESOLUTION_PX = 13.0
"""Period of which the refinement with several windows finds 90 %: star 5 of the DIC Challenge 2.0 with its noise,
measured by ``scorrnet evaluate star``."""


@dataclass(frozen=True)
class Fact:
    """A line of the table.

    Attributes
    ----------
    name : str
    value : str
        Empty if only the user knows it.
    """

    name: str
    value: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the table."""

    title: str
    facts: tuple[Fact, ...]


def sections(snapshots: Snapshots, gauge: StrainSettings, noise: Noise) -> list[Section]:
    """Put the table together.

    Parameters
    ----------
    snapshots : Snapshots
    gauge : StrainSettings
        How strain was taken.
    noise : Noise
    """
    return [
        Section("Images and set-up", _set_up(snapshots)),
        Section("Displacement", _displacement(snapshots.result.process.settings)),
        Section("Strain", _strain(gauge, snapshots.mm_per_px)),
        Section("Noise floor", _noise(noise, snapshots.mm_per_px)),
        Section("Software", _software(snapshots.result.process)),
    ]


def _set_up(snapshots: Snapshots) -> tuple[Fact, ...]:
    result = snapshots.result
    count, height, width = result.shape
    scale = result.calibration
    masked = int(snapshots.at(0).field.mask.sum())
    last = f" to {result.deformed[-1].name}" if count > 1 else ""
    bad = sum(bool(info.failure) for info in result.deformed)
    failed = f"; {bad} of them could not be measured" if bad else ""
    return (
        Fact("Reference image", f"{result.reference.name}, sha256 {result.reference.sha256}"),
        Fact("Deformed images", f"{count}: {result.deformed[0].name}{last}{failed}"),
        Fact("Image size", f"{width} x {height} px"),
        Fact("Measured surface", f"{masked} px, {masked / (height * width):.1%} of the image; {_mask(result.process)}"),
        Fact("Scale", f"{scale.mm_per_px:.6g} mm per px ({scale.source})" if scale else ""),
        Fact("Image acquisition rate", result.time_source),
        Fact("Field of view", f"{_mm(width, scale.mm_per_px)} x {_mm(height, scale.mm_per_px)} mm" if scale else ""),
        *(
            Fact(name)
            for name in (
                "Camera",
                "Lens, focal length",
                "Aperture",
                "Stand-off distance",
                "Exposure time",
                "Lighting",
                "Patterning technique",
                "Pattern feature size",
                "Specimen, material",
                "Operator",
            )
        ),
    )


def _displacement(settings: Settings) -> tuple[Fact, ...]:
    if not settings.refine:
        window = "none: the field of the displacement network, not refined"
        resolution = ""
    elif settings.window_px is None:
        window = "Gaussian windows of 1.5 to 28 px standard deviation, weighed at each point by a network"
        resolution = (
            f"about {ADAPTIVE_RESOLUTION_PX:.0f} px (period of which 90 % is found; star of the DIC Challenge 2.0 at "
            "its noise; depends on the pattern and the noise)"
        )
    else:
        passes = settings.passes_taken
        window = f"Gaussian, standard deviation {settings.window_px:g} px, {passes} passes"
        resolution = f"{gaussian_resolution_px(settings.window_px, passes):.0f} px (period of which 90 % is found)"
    if settings.refine:
        criterion = "least squares of grey levels, gain and offset matched in each window (as ZNSSD)"
        interpolant = "quintic B-spline"
    else:
        criterion, interpolant = "correlation of what the displacement network sees", "none"
    return (
        Fact("Matching criterion", criterion),
        Fact("Interpolant", interpolant),
        Fact("Image filtering", "none"),
        Fact("Subset (effective window)", window),
        Fact("Shape function", "displacement at every pixel; no subset shape function"),
        Fact("Step", "1 px"),
        Fact("Effective spatial resolution", resolution),
        Fact("Reference", _reference(settings)),
    )


def _reference(settings: Settings) -> str:
    """Say what each frame was compared with."""
    if settings.increments:
        return "each frame to the one before; displacements from frame to frame, at the pixels of the earlier one"
    where = "displacements from the reference image, at its pixels (Lagrangian)"
    if not settings.warm_start:
        return f"{where}; each frame by itself"
    return f"{where}; update of the reference within a sequence: {settings.update}"


def gaussian_resolution_px(window_px: float, passes: int) -> float:
    """Period, px, of a wave of which refinement with one Gaussian window finds 90 %.

    Of a frequency k, n passes find 1 - (1 - G)^(n + 1), with G = exp(-2 pi^2 s^2 k^2); see `refine`.
    """
    needed = 1.0 - (1.0 - KEPT) ** (1.0 / averagings(passes))
    return window_px * math.sqrt(2.0 * math.pi**2 / -math.log(needed))


def _strain(gauge: StrainSettings, mm_per_px: float | None) -> tuple[Fact, ...]:
    size = f"{gauge.vsg_size_px} px" + (f" ({_mm(gauge.vsg_size_px, mm_per_px)} mm)" if mm_per_px else "")
    return (
        Fact("Strain measure", measure_words(gauge.measure)),
        Fact("Strain window", f"{gauge.window_px} px"),
        Fact("Strain filter", f"polynomial of order {gauge.order}, {gauge.weights} weights, fitted at every pixel"),
        Fact("Virtual strain gauge (VSG)", f"{size} = strain window + {gauge.subset_px:.0f} px of displacement - 1"),
        Fact("Shear", "exy is tensor shear; x to the right, y down"),
    )


def _noise(noise: Noise, mm_per_px: float | None) -> tuple[Fact, ...]:
    facts = []
    for name in READINGS:
        value = _noise_value(name, noise.sigma[name], mm_per_px)
        bias = f"; bias {_noise_value(name, noise.bias[name], mm_per_px)}" if noise.bias else ""
        facts.append(Fact(name, f"{value}{bias}"))
    remark = f"; {noise.remark}" if noise.remark else ""
    return (Fact("Source", noise.source + remark), *facts)


def _noise_value(name: str, value: float, mm_per_px: float | None) -> str:
    if not math.isfinite(value):
        return "not known"
    if name not in DISPLACEMENTS:
        return f"{1e6 * value:.0f} µm/m"
    return f"{value:.4f} px" + (f" ({1e3 * value * mm_per_px:.3g} µm)" if mm_per_px else "")


def _software(process: Process) -> tuple[Fact, ...]:
    return (
        Fact("Software", f"scorrnet {process.version}"),
        Fact("Date of measurement", process.date),
        Fact("Device", process.device),
        *(Fact(f"Weights, {role}", f"sha256 {digest}") for role, digest in process.weights.items()),
        Fact("Settings", process.settings.to_json()),
    )


def _mask(process: Process) -> str:
    given, region = process.settings.mask, process.settings.roi
    mask = f"mask {given}" if given else "found by the segmentation network"
    within = f" within X,Y,W,H = {','.join(map(str, region))} px" if region else ""
    return f"{'every pixel' if given == WHOLE_IMAGE else mask}{within}"


def _mm(length_px: float, mm_per_px: float) -> str:
    return f"{length_px * mm_per_px:.4g}"
