"""Curves as SVG, to be read on screens of any width and on paper."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

WIDTH, HEIGHT = 480, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 14, 30, 44
_COLOURS = ("#0b5cad", "#c2410c", "#3f7d20", "#7c3aad", "#9a6700", "#0f766e", "#b0185e", "#475569")
_DASHES = ("", "7 4", "2 3", "9 3 2 3")
_LETTER_PX, _LEGEND_LINE_PX = 8, 19  # a letter and a line of the legend, about
_TICKS = 5

_Axis: TypeAlias = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """One line of a chart.

    Attributes
    ----------
    name : str
    values : sequence of float
        One for each point of the chart's x; NaN leaves a gap.
    """

    name: str
    values: Sequence[float]


def chart(title: str, x_label: str, x: Sequence[float], curves: Sequence[Curve]) -> str:
    """Draw curves.

    Parameters
    ----------
    title : str
        What is drawn, with its unit.
    x_label : str
    x : sequence of float
        Increasing, two or more.
    curves : sequence of Curve

    Returns
    -------
    str
        An SVG element; the line of class ``now`` is moved by ``report.js``, which finds its places in ``data-x``.
    """
    known = [value for curve in curves for value in curve.values if math.isfinite(value)]
    ticks = _ticks(min(known, default=0.0), max(known, default=1.0))
    low, high = ticks[0], ticks[-1]
    x_low, x_high = x[0], x[-1]
    texts = [_written(tick, ticks) for tick in ticks]
    left = max(_LEFT, _LETTER_PX * max(map(len, texts)) + 14)

    legend, lines = _legend(curves, left)
    top = _TOP + (lines - 1) * _LEGEND_LINE_PX
    height = HEIGHT + top - _TOP

    def across(value: float) -> float:
        return left + (value - x_low) / (x_high - x_low) * (WIDTH - left - _RIGHT)

    def down(value: float) -> float:
        return height - _BOTTOM - (value - low) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    places = " ".join(f"{across(value):.1f}" for value in x)
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" data-x="{places}">',
        f"<title>{html.escape(title)}</title>",
    ]
    for tick, text in zip(ticks, texts, strict=True):
        y = down(tick)
        parts.append(f'<line class="rule" x1="{left}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4.5:.1f}" text-anchor="end">{text}</text>')
    least = 1.0 if all(value == int(value) for value in x) else 0.0  # between frame 1 and frame 2 there is none
    x_ticks = [tick for tick in _ticks(x_low, x_high, least) if x_low <= tick <= x_high]
    parts.extend(
        f'<text x="{across(tick):.1f}" y="{height - 24}" text-anchor="middle">{_written(tick, x_ticks)}</text>'
        for tick in x_ticks
    )
    parts.append(
        f'<text x="{(WIDTH + left) / 2:.0f}" y="{height - 5}" text-anchor="middle">{html.escape(x_label)}</text>'
    )
    parts.append(f'<line class="now" x1="-9" x2="-9" y1="{top}" y2="{height - _BOTTOM}"/>')
    for index, (curve, (start, line)) in enumerate(zip(curves, legend, strict=True)):
        style = f'stroke="{_COLOURS[index % len(_COLOURS)]}" stroke-dasharray="{_DASHES[index % len(_DASHES)]}"'
        y = 14 + line * _LEGEND_LINE_PX
        parts.append(f'<path class="curve" {style} d="{_path(x, curve.values, across, down)}"/>')
        parts.extend(
            f'<circle fill="{_COLOURS[index % len(_COLOURS)]}" cx="{across(place):.1f}" cy="{down(value):.1f}" r="3"/>'
            for place, value in _alone(x, curve.values)
        )
        parts.append(f'<line class="curve" {style} x1="{start}" x2="{start + 24}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{start + 30}" y="{y + 4.5}">{html.escape(curve.name)}</text>')
    return "".join([*parts, "</svg>"])


def _legend(curves: Sequence[Curve], first: int) -> tuple[list[tuple[int, int]], int]:
    """Return where each curve is named, its left edge and line, and the number of lines."""
    places = []
    left, line = first, 0
    for curve in curves:
        width = 46 + _LETTER_PX * len(curve.name)
        if left > first and left + width > WIDTH:
            left, line = first, line + 1
        places.append((left, line))
        left += width
    return places, line + 1


def _path(x: Sequence[float], values: Sequence[float], across: _Axis, down: _Axis) -> str:
    """Return the points of a line; a gap where a value is missing."""
    steps = []
    pen = "M"
    for place, value in zip(x, values, strict=True):
        if not math.isfinite(value):
            pen = "M"
            continue
        steps.append(f"{pen}{across(place):.1f} {down(value):.1f}")
        pen = "L"
    return "".join(steps)


def _alone(x: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """Return the points that have no neighbour to which a line could be drawn."""
    known = [False, *map(math.isfinite, values), False]
    points = zip(x, values, pairwise(known[:-1]), known[2:], strict=True)
    return [(place, value) for place, value, (before, here), after in points if here and not (before or after)]


def _ticks(low: float, high: float, least: float = 0.0) -> list[float]:
    """Return round numbers from at most `low` to at least `high`, no closer than `least`."""
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-6):
        low, high = low - 0.5 * abs(low or 1.0), high + 0.5 * abs(high or 1.0)
    rough = max((high - low) / _TICKS, least)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(digit for digit in (1, 2, 5, 10) if digit * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def _written(value: float, ticks: Sequence[float]) -> str:
    """Write a number with the digits that its neighbours need."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(value) or 1.0
    power = math.floor(math.log10(step) + 1e-9)
    if power > -7:
        text = f"{value:.{max(0, -power)}f}"
    else:
        value = step * round(value / step)  # 0 and no rest of it
        text = f"{value:.{max(0, math.floor(math.log10(abs(value)) + 1e-9) - power)}e}" if value else "0"
    return text.replace("-", "\N{MINUS SIGN}")
