"""Which images a batch measures against which: files and pages, selected and numbered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

from scorrnet_cli.errors import FrameError, UsageError
from scorrnet_cli.frames import printable, read_frame, size_words
from scorrnet_cli.images.clock import Clock, check_rising
from scorrnet_cli.images.headers import Shape, page_shapes

_SELECTING = ("--start", "--stop", "--every")
_NAMED = 3  # images of another size that an error names


@dataclass(frozen=True)
class Selection:
    """Which of the images are used, the reference among them unless it is a file of its own.

    Attributes
    ----------
    start, stop : int
        The first image and the one behind the last, counted from 0; None is the end.
    every : int
        Every so-manieth is used.

    Raises
    ------
    UsageError
        If a number makes no sense.
    """

    start: int = 0
    stop: int | None = None
    every: int = 1

    def __post_init__(self) -> None:
        if self.start < 0 or self.every < 1 or (self.stop is not None and self.stop <= self.start):
            where = f"--start {self.start} --stop {self.stop} --every {self.every}"
            raise UsageError("No image can be selected so", where, "Count from 0, and stop behind the start")

    def takes(self, number: int) -> bool:
        """Tell whether image `number` is used."""
        return number >= self.start and not self.ends(number) and (number - self.start) % self.every == 0

    def ends(self, number: int) -> bool:
        """Tell whether image `number` and all later ones are left out."""
        return self.stop is not None and number >= self.stop


@dataclass(frozen=True)
class Source:
    """A file and what is used of it.

    Attributes
    ----------
    path : Path
    pages : tuple of int
        The images of it that are used, counted from 0, ascending.
    shapes : tuple of ((H, W) or None)
        Their sizes, as far as the header tells.
    is_stack : bool
        Whether the file holds several images.
    first : int
        Place of the first of them among the deformed images.
    number : int
        Place of the file's first image, used or not, behind the first image of the sequence that is used.
    """

    path: Path
    pages: tuple[int, ...]
    shapes: tuple[Shape | None, ...]
    is_stack: bool
    first: int = 0
    number: int = 0

    def name(self, page: int) -> str:
        """Return the name of an image as results have it."""
        return printable(self.path.name) + (f"[{page}]" if self.is_stack else "")


@dataclass(frozen=True)
class Plan:
    """A sequence.

    Attributes
    ----------
    reference : Source
        Of one page.
    deformed : iterable of Source
        In order; of a folder that is watched, they come as they are written, and only once.
    total : int or None
        Number of deformed images, if known.
    is_from_first : bool
        Whether the reference is the first image of the sequence, and no image from elsewhere.
    """

    reference: Source
    deformed: Iterable[Source]
    total: int | None
    is_from_first: bool = True

    @property
    def doubt(self) -> str:
        """Why the first image may not be the reference that was meant; empty if nothing tells so."""
        if self.total is None or not self.is_from_first or _is_called_reference(self.reference.path):
            return ""
        called = [source.path.name for source in self.deformed if _is_called_reference(source.path)]
        if len(called) != 1:
            return ""
        name = printable(called[0])
        what = f"{name} is among the images, which are compared with {printable(self.reference.path.name)}"
        return f"{what}; give --reference {name} if it shows the specimen at rest"

    def times(self, clock: Clock | None) -> Callable[[Source, int], float | None]:
        """Return what tells the time of a page, s after the reference, or after the first image with a frame rate.

        Raises
        ------
        FrameError
            If an image does not tell its time, or was taken no later than the one before, of those that are there:
            better known before anything is measured.
        """
        start = Fraction(0)
        if clock and clock.stamps:
            start = clock.read(self.reference.path, self.reference.pages[0], 0)

        def time(source: Source, page: int) -> float | None:
            if clock is None or (clock.stamps == "tiff" and None in source.shapes):  # no image, and no tags
                return None
            return float(clock.read(source.path, page, source.number + page) - start)

        if self.total is not None:
            sources = [*([self.reference] if self.is_from_first else []), *self.deformed]
            places = ((source, page) for source in sources for page in source.pages)
            check_rising((source.name(page), time(source, page)) for source, page in places)
        return time


def _is_called_reference(path: Path) -> bool:
    return re.match(r"ref(erence)?(?![a-z])", path.name.lower()) is not None


def make_plan(paths: Iterable[Path], selection: Selection, reference: Path | None, where: str) -> Plan:
    """Say which images are measured against which, of files that all exist.

    Parameters
    ----------
    paths : iterable of Path
        Images and videos in order.
    selection : Selection
    reference : Path, optional
        The reference image; without it the first of the selected ones. It is not measured against itself.
    where : str
        Where the images come from, for errors.

    Raises
    ------
    FrameError
        If there are fewer than two images, or if headers tell that their sizes differ. If there is but one file and
        it cannot be read, why.
    """
    live = make_live_plan(paths, selection, reference, where)
    deformed = list(live.deformed)
    total = sum(len(source.pages) for source in deformed)
    if total == 0:
        if live.reference.shapes[0] is None:
            read_frame(live.reference.path)  # raises why it is none
        options = [*(["--pattern"] if _is_folder(where) else []), *(_SELECTING if selection != Selection() else [])]
        todo = f"Give at least two{', or check ' if options else ''}{', '.join(options)}"
        raise FrameError("There are too few images to compare", where, todo)
    _check_sizes(live.reference, deformed, where)
    return replace(live, deformed=deformed, total=total)


def named_plan(reference: Path, deformed: Sequence[Path]) -> Plan:
    """Say what is measured of files that are named one by one: all their images, of whatever size.

    Parameters
    ----------
    reference : Path
        The reference image, the first of the sequence.
    deformed : sequence of Path
        If empty, the further images of the reference's file.
    """
    if deformed:  # the reference may have been taken at any time
        behind = (replace(source, number=source.number + 1) for source in _selected(deformed, Selection(), ""))
        sources = list(_numbered(behind))
        chosen = _first_image(reference)
    else:
        live = make_live_plan([reference], Selection(), None, str(reference))
        chosen, sources = live.reference, list(live.deformed)
    total = sum(len(source.pages) for source in sources)
    return Plan(chosen, sources, total, is_from_first=not deformed)


def make_live_plan(paths: Iterable[Path], selection: Selection, reference: Path | None, where: str) -> Plan:
    """Do as `make_plan`, of files that come one by one; nothing beyond the reference is looked at yet.

    Parameters are those of `make_plan`; `paths` gives each file when it is there.

    Raises
    ------
    FrameError
        If no image is selected; with a `reference` of its own, only when the deformed images are asked for.
    """
    sources = _selected(paths, selection, where)
    if reference is None:
        first = next(sources)
        chosen = replace(first, pages=first.pages[:1], shapes=first.shapes[:1])
        rest = replace(first, pages=first.pages[1:], shapes=first.shapes[1:])
        return Plan(chosen, _numbered(chain([rest], sources)), None)
    return Plan(_first_image(reference), _numbered(_without(sources, reference.resolve())), None, is_from_first=False)


def _first_image(path: Path) -> Source:
    shapes = page_shapes(path)
    return Source(path, (0,), tuple(shapes[:1]), len(shapes) > 1)


def _selected(paths: Iterable[Path], selection: Selection, where: str) -> Iterator[Source]:
    """Look into each file, and give what is used of it, if anything is; FrameError at the end if nothing was."""
    number = 0
    used_any = False
    for path in paths:
        shapes = page_shapes(path)
        pages = tuple(page for page in range(len(shapes)) if selection.takes(number + page))
        if pages:
            used = tuple(shapes[page] for page in pages)
            yield Source(path, pages, used, len(shapes) > 1, number=number - selection.start)
            used_any = True
        number += len(shapes)
        if selection.ends(number):
            return
    if number == 0:
        raise FrameError("There is no image", where, "Check the folder and --pattern" if _is_folder(where) else "")
    if not used_any:
        what = f"The last image is number {number - 1}, but the first to take is number {selection.start}"
        raise FrameError(what, where, "Check --start and --stop, which count from 0")


def _without(sources: Iterable[Source], reference: Path) -> Iterator[Source]:
    """Leave out the first image of the file `reference`."""
    for source in sources:
        if source.path.resolve() == reference and source.pages[0] == 0:
            yield replace(source, pages=source.pages[1:], shapes=source.shapes[1:])
        else:
            yield source


def _numbered(sources: Iterable[Source]) -> Iterator[Source]:
    """Count the images; leave out files of which none is left."""
    first = 0
    for source in sources:
        if source.pages:
            yield replace(source, first=first)
        first += len(source.pages)


def _is_folder(where: str) -> bool:
    """Tell whether images come from a folder, of which a pattern may take others."""
    return Path(where).is_dir()


def _check_sizes(reference: Source, deformed: Iterable[Source], where: str) -> None:
    """Raise FrameError, with names, if the header of an image tells another size than that of the reference."""
    wanted = reference.shapes[0]
    if wanted is None:
        return
    others = [
        f"{source.name(page)} of {size_words(shape)}"
        for source in deformed
        for page, shape in zip(source.pages, source.shapes, strict=True)
        if shape is not None and shape != wanted
    ]
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        raise FrameError(
            f"The reference image {reference.name(reference.pages[0])} is {size_words(wanted)}, but not all others are",
            ", ".join(others[:_NAMED]) + more,
            "Leave them out with --pattern" if _is_folder(where) else "Leave them out",
        )
