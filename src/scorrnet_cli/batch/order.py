"""Names in the order in which people count."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeAlias

_SUFFIX = re.compile(r"\.[^\W\d]\w*$")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_Place: TypeAlias = tuple[str, int]
"""What a name is without its numbers, and which of them is meant."""


def in_natural_order(names: Iterable[str]) -> list[str]:
    """Sort names as people count, in any letter case: ``img_2`` before ``img_10``.

    What follows a point is a number of its own, as in ``cam0.9`` and ``cam0.10``, but a decimal where a unit is behind
    it, as in ``0.5kN``, or where names that are alike otherwise have whole numbers in its place: ``0``, ``0.5``, ``1``.
    """
    stems = {name: _SUFFIX.sub("", name).casefold() for name in names}
    decimal = _decimal_places(stems.values())
    return sorted(stems, key=lambda name: (_key(stems[name], decimal), name))


def _decimal_places(stems: Iterable[str]) -> set[_Place]:
    """Return the places where some names have whole numbers and others fractions; 0.1 beside 0.10 are none."""
    found: dict[_Place, set[str]] = defaultdict(set)
    for stem in stems:
        alike = _NUMBER.sub("#", stem)
        for index, number in enumerate(_NUMBER.findall(stem)):
            found[alike, index].add(number)
    return {place for place, numbers in found.items() if _are_decimal(numbers)}


def _are_decimal(numbers: set[str]) -> bool:
    fractions = [number for number in numbers if not number.isdecimal()]
    return 0 < len(fractions) < len(numbers) and len(set(map(_value, fractions))) == len(fractions)


def _key(stem: str, decimal: set[_Place]) -> tuple[str | int | Decimal, ...]:
    """Return texts and numbers by turns."""
    alike = _NUMBER.sub("#", stem)
    parts: list[str | int | Decimal] = []
    end = 0
    for index, match in enumerate(_NUMBER.finditer(stem)):
        before, number, follows = stem[end : match.start()], match.group(), stem[match.end() : match.end() + 1]
        if number.isdecimal():
            parts += [before, int(number)]
        elif follows.isalpha() or (alike, index) in decimal:
            parts += [before, _value(number)]
        else:
            whole, point, rest = re.split("([.,])", number)
            parts += [before, int(whole), point, int(rest)]
        end = match.end()
    return (*parts, stem[end:])


def _value(number: str) -> Decimal:
    return Decimal(number.replace(",", "."))
