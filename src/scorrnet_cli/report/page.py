"""The report put together: one HTML page that needs nothing else."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from string import Template

from scorrnet_cli.field import DISPLACEMENTS, READINGS, FloatArray
from scorrnet_cli.gauge import COMPONENTS, StrainSettings
from scorrnet_cli.pictures.images import Images
from scorrnet_cli.pictures.quantities import LENGTH, QUANTITIES, Quantity
from scorrnet_cli.pictures.stills import gauge_words, measure_words
from scorrnet_cli.probes import Probe
from scorrnet_cli.report.charts import Curve, chart
from scorrnet_cli.report.content import Album
from scorrnet_cli.report.means import FrameMeans, means_of
from scorrnet_cli.report.noise import Noise, measured_noise, stated_noise
from scorrnet_cli.report.practice import Section, sections
from scorrnet_cli.report.probing import Probes
from scorrnet_cli.snapshots import Snapshots
from scorrnet_cli.units import seconds, short
from scorrnet_cli.version import __version__

_WIDTH = 0.01  # px, % or 1: means and medians have about three digits of this
_NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Order:
    """What a report is to hold.

    Attributes
    ----------
    title : str
    quantities : sequence of Quantity
        What is shown.
    static : Snapshots, optional
        A result of images at rest, for the noise floor.
    probes : sequence of Probe
        Places of which curves are drawn.
    """

    title: str
    quantities: Sequence[Quantity]
    static: Snapshots | None = None
    probes: Sequence[Probe] = ()


def page(snapshots: Snapshots, images: Images, order: Order, step: Callable[[], None]) -> str:
    """Write a report; frames are read one after the other.

    Parameters
    ----------
    snapshots : Snapshots
    images : Images
        Where the reference image is looked for.
    order : Order
    step : callable
        Called when a frame is done.

    Returns
    -------
    str
        The whole page.

    Raises
    ------
    UsageError
        As `Probes` does, or if nothing was measured in the static images.
    """
    probes = Probes(order.probes, snapshots.result)
    album = Album(snapshots, order.quantities)
    frames = []
    for shown in snapshots.one_by_one(range(len(snapshots))):
        album.add(shown)
        frames.append(means_of(shown))
        probes.add(shown, shown.strain.how)
        step()
    strain = snapshots.at(len(snapshots) - 1).strain
    noise = _noise(snapshots, order, frames)
    increments = snapshots.result.is_incremental
    mm_per_px = snapshots.mm_per_px
    grey = None if increments else images.grey(snapshots.result.reference)
    parts = {
        "title": html.escape(order.title),
        "summary": html.escape(_summary(snapshots)),
        "last": str(len(frames) - 1),
        "sampling": html.escape(f"{_sampling(album.grid.step, gauge_words(strain))}{_below(grey, increments)}"),
        "curves": _curves(frames, probes, snapshots, strain.how) if len(frames) > 1 else _readings(probes, mm_per_px),
        "practice": _practice(sections(snapshots, strain.how, noise)),
        "frames": _frames(frames, mm_per_px),
        "footer": f"Made by scorrnet {__version__}.",
        "data": album.to_json(frames, grey, probes.marks()),
        "style": _read("report.css"),
        "script": _read("report.js"),
    }
    return Template(_read("template.html")).substitute(parts)


def _noise(snapshots: Snapshots, order: Order, frames: Sequence[FrameMeans]) -> Noise:
    if order.static is not None:
        return measured_noise(order.static, snapshots, snapshots.at(len(snapshots) - 1).strain.how)
    good = [frame for frame in frames if frame.summary.error is None]
    return stated_noise(good[-1] if good else frames[-1])


def _summary(snapshots: Snapshots) -> str:
    count, height, width = snapshots.result.shape
    good = sum(not info.failure for info in snapshots.result.deformed)
    images = "one deformed image" if count == 1 else f"{count} deformed images"
    measured = "" if good == count else f" ({good} of them could be measured)"
    process = snapshots.result.process
    to = "from frame to frame, beginning with" if snapshots.result.is_incremental else "to"
    return (
        f"Displacement and strain of {images}{measured} of {width} x {height} px {to} the reference "
        f"{snapshots.result.reference.name}; "
        f"measured {process.date[:10]} by scorrnet {process.version} on {process.device}."
    )


def _sampling(step: int, gauge: str) -> str:
    cells = "every pixel" if step == 1 else f"means of {step} x {step} px; the result file has every pixel"
    colours = "Colours span 1 to 99 % of the values of all frames, with zero for strain."
    return f"Shown here: {cells}. Strain: {gauge}. {colours}"


def _below(grey: FloatArray | None, increments: bool) -> str:
    """Say why there is no image below the fields, if there is none."""
    if increments:
        return " Each field lies at the pixels of the frame before, so the fields stand alone."
    return "" if grey is not None else " The reference image was not found, so the fields stand alone."


def _readings(probes: Probes, mm_per_px: float | None) -> str:
    """Write what the probes read in the only frame as a table; nothing if there are none."""
    values = probes.values()
    if not values:
        return ""
    heads = ("probe", "quantity", "value", "standard uncertainty", "unit")
    lines = ["<table><thead><tr>", *(f'<th scope="col">{head}</th>' for head in heads), "</tr></thead>", "<tbody>"]
    for each in values:
        value = f"{each.value:.0f}" if each.name == "points" else _mean(each.value, each.like, mm_per_px)
        sigma = _mean(each.sigma, each.like, mm_per_px)
        cells = (html.escape(each.probe), each.name, value, sigma, each.like.unit(mm_per_px))
        lines.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    lines.append("</tbody></table>")
    return f'<section>\n<h2>Probes</h2>\n<div class="wide">\n{"".join(lines)}\n</div>\n</section>'


def _curves(frames: Sequence[FrameMeans], probes: Probes, snapshots: Snapshots, gauge: StrainSettings) -> str:
    """Draw means and probes over the frames, two or more."""
    mm_per_px = snapshots.mm_per_px
    between = " from frame to frame" if snapshots.result.is_incremental else ""
    known = [frame.summary.image.at_s for frame in frames]
    times = [at_s for at_s in known if at_s is not None]
    rising = len(times) == len(frames) and all(one < two for one, two in pairwise(times))
    x, x_label = (times, "time (s)") if rising else ([float(index) for index in range(len(frames))], "frame")
    charts = probes.curves(mm_per_px)
    for title, names in (
        ("Mean displacement of the surface", DISPLACEMENTS),
        (f"Mean {measure_words(gauge.measure)} strain of the surface", COMPONENTS),
    ):
        quantity = QUANTITIES[names[0]]
        factor = quantity.factor(mm_per_px)
        curves = [Curve(name, [factor * frame.means[name] for frame in frames]) for name in names]
        charts.append((f"{title}{between} ({quantity.unit(mm_per_px)})", curves))
    told = [frame.summary for frame in frames]
    shares = [100 * each.valid_share if each.error is None else math.nan for each in told]
    charts.append(("Measured share of the surface (%)", [Curve("valid", shares)]))
    drawn = [
        f"<figure><figcaption>{html.escape(title)}</figcaption>{chart(title, x_label, x, curves)}</figure>"
        for title, curves in charts
    ]
    return f'<section>\n<h2>Curves</h2>\n<div class="charts">{"".join(drawn)}</div>\n</section>'


def _practice(parts: Sequence[Section]) -> str:
    lines = []
    for part in parts:
        lines.append(f'<h3>{html.escape(part.title)}</h3>\n<table class="facts"><tbody>')
        for fact in part.facts:
            name = html.escape(fact.name)
            blank = "" if fact.value else f' contenteditable="true" aria-label="{name}"'
            lines.append(f'<tr><th scope="row">{name}</th><td{blank}>{html.escape(fact.value)}</td></tr>')
        lines.append("</tbody></table>")
    return "\n".join(lines)


def _frames(frames: Sequence[FrameMeans], mm_per_px: float | None) -> str:
    """Write the table of all frames."""
    columns = [f"mean {each.name} ({each.unit(mm_per_px)})" for each in _averaged()]
    timed = any(frame.summary.image.at_s is not None for frame in frames)
    heads = ["frame", "image", *(("time (s)",) if timed else ())]
    heads += ["valid", *columns, "zncc", "sigma u (px)", "sigma v (px)"]
    lines = ["<table><thead><tr>", *(f'<th scope="col">{html.escape(head)}</th>' for head in heads), "</tr></thead>"]
    lines.append("<tbody>")
    for index, frame in enumerate(frames):
        summary = frame.summary
        cells = [str(index), html.escape(summary.image.name)]
        if timed:
            cells.append(_NONE if summary.image.at_s is None else _signed(seconds(summary.image.at_s)))
        if summary.error is not None:
            cells.append(f'<td colspan="{len(heads) - len(cells)}">not measured: {html.escape(summary.error)}</td>')
        else:
            cells.append(f"{summary.valid_share:.1%}")
            cells += [_mean(frame.means[each.name], each, mm_per_px) for each in _averaged()]
            cells += [_number(value, _WIDTH) for value in (summary.zncc, summary.sigma_u, summary.sigma_v)]
        row = "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells)
        lines.append(f"<tr>{row}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def _averaged() -> list[Quantity]:
    return [QUANTITIES[name] for name in READINGS]


def _mean(value: float, quantity: Quantity, mm_per_px: float | None) -> str:
    """Write a mean, given as stored; in mm it has digits as fine as in px."""
    factor = quantity.factor(mm_per_px)
    return _number(factor * value, _WIDTH * (factor if quantity.kind == LENGTH else 1.0))


def _number(value: float, width: float) -> str:
    return _signed(short(value, width)) if math.isfinite(value) else _NONE


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _read(name: str) -> str:
    """Read a file that lies beside this one."""
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def write_page(path: Path, content: str) -> None:
    """Write a page; it appears whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from scorrnet_cli.writers.atomic import explained, written_whole

    with written_whole(path) as part, explained(path):
        part.write_bytes(content.encode("utf-8", "replace"))  # names of files need not be text
