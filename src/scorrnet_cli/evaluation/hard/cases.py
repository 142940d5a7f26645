"""The cases of the test bed, in a fixed order; seeds are those that no training draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from scorrnet_cli.errors import UsageError
from scorrnet_cli.evaluation.fields import affine
from scorrnet_cli.evaluation.hard import outlines
from scorrnet_cli.evaluation.hard.bodies import Body
from scorrnet_cli.evaluation.hard.case import SIZE_PX, Case
from scorrnet_cli.evaluation.hard.grounds import brushed, woven
from scorrnet_cli.evaluation.hard.motions import lip, shear_band, shift, summed, waves
from scorrnet_cli.evaluation.hard.optics import Camera
from scorrnet_cli.evaluation.rendering import Displacement, Outline
from scorrnet_cli.evaluation.speckle import Paint
from scorrnet_cli.training.backgrounds import KINDS as TRAINED_BACKGROUNDS

NEW_BACKGROUNDS = ("newspaper", "fabric", "gravel")
LATER_BACKGROUNDS = ("tiles",)  # of the training, added to it when the bed stood
LATEST_BACKGROUNDS = (
    "stones",
    "relief",
)  # the same, when it had stood for long; no network that is bundled has seen them
_MIDDLE = ((SIZE_PX - 1) / 2, (SIZE_PX - 1) / 2)
_QUIET = Camera(noise=1.0)  # where something else than noise is the matter


def _moved(stretch: float, angle_deg: float, shift_px: tuple[float, float]) -> Displacement:
    return affine(stretch, angle_deg, shift_px, SIZE_PX)


_MOTIONS = (
    _moved(0.02, 1.5, (3.7, -5.2)),
    _moved(-0.03, -2.0, (-11.4, 6.3)),
    summed(_moved(0.05, 3.0, (8.6, 2.1)), waves(0.8, 60.0, 35.0)),
)
_PLATE = outlines.cut(outlines.plate(_MIDDLE, (105.0, 88.0), 6.0), outlines.disk(_MIDDLE, 27.0))
_BONE = outlines.dog_bone(_MIDDLE, 52.0, 110.0, 150.0)
_SMALL = outlines.plate(_MIDDLE, (72.0, 72.0), -8.0)


def _speckle() -> Iterator[Case]:
    for kind, dot_px, share in (
        ("speckle of 1.5 px", (1.5, 1.5), 0.5),
        ("speckle of 8 px", (7.0, 9.0), 0.5),
        ("speckle of 15 px", (14.0, 16.0), 0.5),
        ("sparse speckle", (3.0, 5.0), 0.12),
        ("very dense speckle", (3.0, 5.0), 0.85),
    ):
        yield Case("speckle", kind, 0, (), paint=Paint(dot_px, share), camera=_QUIET)


def _drops() -> Iterator[Case]:
    """Spray with drops as large as holes."""
    for kind, dot_px, share in (("drops of 1.5 to 25 px", (1.5, 25.0), 0.3), ("drops of 3 to 35 px", (3.0, 35.0), 0.5)):
        yield Case("speckle", kind, 0, (), paint=Paint(dot_px, share, mixed=True), camera=_QUIET)


def _paints() -> Iterator[Case]:
    """Patterns as they are printed, whose dots keep apart, and spray of many tones."""
    for kind, paint in (
        ("printed dots of 5 px", Paint((4.8, 5.2), 0.35, apart=True)),
        ("printed dots of 11 px", Paint((10.6, 11.4), 0.38, apart=True)),
        ("spray of many tones", Paint((1.0, 9.0), 0.7, mixed=True, faintest=0.1)),
    ):
        yield Case("speckle", kind, 0, (), paint=paint, camera=_QUIET)


def _camera() -> Iterator[Case]:
    for kind, camera in (
        ("8 grey levels", Camera(ground=132.0, ink=124.0, noise=0.5)),
        ("saturated", Camera(ground=330.0, ink=90.0, noise=1.0)),
        ("out of focus", Camera(defocus_px=2.5, noise=1.0)),
        ("motion blur", Camera(smear_px=5, noise=1.0)),
        ("uneven light and glare", Camera(ground=150.0, ink=50.0, tilt=0.5, glare=120.0, noise=1.0)),
        ("noise 1", Camera(noise=1.0)),
        ("noise 4", Camera(noise=4.0)),
        ("noise 8", Camera(noise=8.0)),
    ):
        yield Case("camera", kind, 0, (), camera=camera)


def _glints() -> Iterator[Case]:
    """A dark surface with grains that shine, so that all else is faint."""
    camera = Camera(ground=55.0, ink=20.0, glints=0.003, noise=1.0)
    yield Case("camera", "dark, with glints", 0, (), paint=Paint((1.5, 6.0), 0.5, mixed=True), camera=camera)


def _grounds() -> Iterator[Case]:
    """Dots on what is no plain ground."""
    for kind, ground in (
        ("on woven cloth", woven(9.0, 35.0)),
        ("on brushed metal", brushed(1.2, 40.0, 35.0, 22.0, 77)),
    ):
        yield Case("speckle", kind, 0, (), paint=Paint((3.0, 7.0), 0.2), ground=ground, camera=_QUIET)


def _shadow() -> Iterator[Case]:
    yield Case("camera", "in a shadow", 0, (), camera=Camera(ground=210.0, shadow=0.75, noise=1.0))


def _specimens() -> Iterator[tuple[str, Outline]]:
    yield "thin", outlines.plate(_MIDDLE, (9.0, 130.0), 20.0)
    yield "thin", outlines.ring(_MIDDLE, 95.0, 10.0)
    holes = [outlines.disk((80.0 + 52 * i, 100.0 + 48 * j), 9.0 + 2 * i) for i in range(4) for j in range(3)]
    yield "holed", outlines.cut(outlines.plate(_MIDDLE, (115.0, 90.0)), *holes)
    yield "holed", outlines.cut(outlines.disk(_MIDDLE, 120.0), outlines.disk((175.0, 140.0), 55.0))
    slot = outlines.plate((110.0, 165.0), (70.0, 1.5), 7.0)
    yield "cracked", outlines.cut(outlines.plate(_MIDDLE, (110.0, 90.0)), slot)
    yield "cracked", outlines.cut(outlines.disk(_MIDDLE, 115.0), outlines.plate((160.0, 90.0), (2.5, 60.0), -12.0))
    yield "cut by the frame", outlines.disk((30.0, 60.0), 190.0)
    yield "cut by the frame", outlines.plate((230.0, 300.0), (170.0, 120.0), 28.0)


def _backgrounds(kinds: Iterable[str]) -> Iterator[Case]:
    for kind in kinds:
        yield Case("background", kind, 0, (), behind=kind)


def _second_body() -> Iterator[Case]:
    """Two speckled bodies side by side, each with its own motion; both belong to the mask."""
    left, right = outlines.plate((95.0, 160.0), (62.0, 115.0), 3.0), outlines.disk((245.0, 165.0), 55.0)
    for first, second in (
        (_MOTIONS[0], shift(-1.5, 17.3)),
        (_moved(0.0, -3.0, (-6.0, 4.0)), _moved(0.01, 9.0, (7.3, -12.4))),
    ):
        yield Case("background", "another speckled body", 0, (Body(left, first), Body(right, second)))


def _motions() -> Iterator[tuple[str, Outline, Displacement]]:
    whole = outlines.everywhere
    yield "to 32 px", whole, _moved(0.04, 2.0, (-19.3, 16.4))
    yield "to 32 px", _SMALL, _moved(-0.05, -6.0, (16.2, 18.7))
    yield "to 32 px", whole, summed(shift(21.7, -8.6), waves(4.0, 130.0, 70.0))
    yield "32 to 64 px", _SMALL, _moved(0.02, 3.0, (46.3, 31.8))
    yield "32 to 64 px", whole, _moved(0.0, 1.0, (-49.6, 22.3))
    yield "32 to 64 px", _SMALL, summed(_moved(-0.04, -5.0, (-24.1, -52.4)), waves(2.0, 90.0, 20.0))
    yield "32 to 64 px", whole, summed(_moved(0.12, -4.0, (12.0, 47.5)), waves(3.0, 120.0, 50.0))
    for angle, outline in ((22.0, whole), (30.0, _SMALL), (-38.0, _SMALL), (45.0, whole)):
        yield "rotation of 20 to 45 degrees", outline, _moved(0.0, angle, (2.3, -1.6))
    for stretch, outline in ((0.32, whole), (0.5, _SMALL), (-0.35, whole), (0.8, _SMALL)):
        yield "stretch of 30 to 80 %", outline, _moved(stretch, 2.0, (1.3, -2.6))
    yield "shear band", _PLATE, shear_band((165.0, 150.0), 40.0, 5.0, 14.0)
    yield "shear band", whole, summed(shift(2.4, 3.3), shear_band((150.0, 160.0), 100.0, 9.0, 12.0))
    yield "waves", whole, waves(1.5, 32.0, 15.0)
    yield "waves", _PLATE, waves(0.6, 18.0, 80.0)


def _opened() -> Iterator[Case]:
    """Specimens whose parts move away from each other: cracks that open from a tip, and parts that come off."""
    for kind, tip, angle, opening, outline in (
        ("opening crack", (190.0, 150.0), 176.0, 7.0, outlines.plate(_MIDDLE, (110.0, 90.0))),
        ("opening crack", (150.0, 190.0), -70.0, 14.0, outlines.everywhere),
    ):
        base = _MOTIONS[0]
        lips = [
            Body(_side(outline, tip, angle, sign), summed(base, lip(tip, angle, sign * opening, 70.0)))
            for sign in (1.0, -1.0)
        ]
        yield Case("motion", kind, 0, tuple(lips))
    for angle, first, second, outline in (
        (80.0, shift(-14.3, 5.2), _moved(0.01, 1.0, (15.6, -8.4)), outlines.plate(_MIDDLE, (110.0, 90.0))),
        (15.0, _moved(0.0, 2.0, (3.1, 22.4)), _moved(0.0, -3.0, (-11.0, -24.7)), outlines.disk(_MIDDLE, 105.0)),
    ):
        parts = (Body(_side(outline, _MIDDLE, angle, 1.0), first), Body(_side(outline, _MIDDLE, angle, -1.0), second))
        yield Case("motion", "parts moving apart", 0, parts)


def _side(outline: Outline, point: tuple[float, float], angle_deg: float, sign: float) -> Outline:
    """Take what lies to the right (sign 1) or left (-1) of a line."""
    half = outlines.half_plane(point, angle_deg if sign > 0 else angle_deg + 180)
    return lambda x, y: half(x, y).maximum(outline(x, y))


def _twice(settings: Iterable[Case], shapes: tuple[Outline, Outline] = (_PLATE, _BONE)) -> Iterator[Case]:
    """Take each of a table of settings twice, with another specimen, motion and background each time."""
    for place, case in enumerate(settings):
        backgrounds = ("plain", "clutter", "texture")
        for turn, outline in enumerate(shapes):
            behind = case.behind if case.group == "background" else backgrounds[(place + turn) % 3]
            body = Body(outline, _MOTIONS[(place + turn) % 3])
            yield replace(case, bodies=(body,), behind=behind, stays=turn == 0)


def _all() -> Iterator[Case]:
    """Every case; new ones come last, for their place decides on the seeds."""
    earlier = [kind for kind in TRAINED_BACKGROUNDS if kind not in (*LATER_BACKGROUNDS, *LATEST_BACKGROUNDS)]
    yield from _twice((*_speckle(), *_camera(), *_backgrounds((*earlier, *NEW_BACKGROUNDS))))
    yield from _second_body()
    for place, (kind, outline) in enumerate(_specimens()):
        yield Case("specimen", kind, 0, (Body(outline, _MOTIONS[place % 3]),), stays=place % 2 == 0)
    for place, (kind, outline, motion) in enumerate(_motions()):
        yield Case("motion", kind, 0, (Body(outline, motion),), stays=place % 2 == 0)
    yield from _opened()
    yield from _twice(_backgrounds(LATER_BACKGROUNDS))
    yield from _twice(_drops())
    yield from _twice((*_paints(), *_glints()), (_PLATE, outlines.everywhere))
    yield from _twice((*_grounds(), *_shadow()))
    yield from _twice(_backgrounds(LATEST_BACKGROUNDS))


CASES = tuple(replace(case, number=number) for number, case in enumerate(_all()))
KINDS = tuple(dict.fromkeys(case.kind for case in CASES))


def chosen(kinds: str | None, cases: Iterable[Case] = CASES) -> list[Case]:
    """Take the cases of the kinds or groups that the user names, ``a,b``; all if it is None.

    Raises
    ------
    UsageError
        If there is no such kind.
    """
    cases = list(cases)
    if kinds is None:
        return cases
    asked = {name.strip() for name in kinds.split(",")}
    known = {name for case in cases for name in (case.group, case.kind)}
    for name in sorted(asked - known):
        raise UsageError(
            f"There is no kind {name!r}",
            "--kinds",
            f"Choose from {', '.join(dict.fromkeys([case.group for case in cases] + [case.kind for case in cases]))}",
        )
    return [case for case in cases if asked & {case.group, case.kind}]
