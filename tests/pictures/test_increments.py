"""Results of displacements from frame to frame are shown as such, each over the image at whose pixels it lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.pictures.conftest import Sequence, T, scorrnet, write
from tests.pictures.test_report import Page

from scorrnet_cli.field import PER_PIXEL
from scorrnet_cli.pictures.images import Images
from scorrnet_cli.pictures.quantities import QUANTITIES
from scorrnet_cli.pictures.stills import Artist, Wish
from scorrnet_cli.settings import Settings
from scorrnet_cli.snapshots import Snapshots
from scorrnet_cli.writers import open_result

STEP = 4  # px that the surface has moved to the left in each frame


@pytest.fixture
def increments(sequence: Sequence) -> Sequence:
    """The sequence measured from frame to frame: its surface is elsewhere in each."""
    field = sequence.field
    arrays: dict[str, Any] = {
        name: np.stack([np.roll(plane, -STEP * index, 1) for index, plane in enumerate(getattr(field, name))])
        for name in PER_PIXEL
    }
    infos = tuple(replace(info, reference_frame=index - 1) for index, info in enumerate(field.deformed))
    process = replace(field.process, settings=Settings(increments=True))
    field = replace(field, deformed=infos, process=process, **arrays)
    write(sequence.result, field)
    return replace(sequence, field=field)


def shown_below(path: Path, frames: range) -> list[object]:
    """Return the image below each panel of u, as a list of grey levels; None where there is none."""
    with open_result(path) as stored:
        images = Images.of(stored.path, stored.shape[1:], None)
        figure = Artist(Snapshots(stored), images, Wish([QUANTITIES["u"]], frames)).figure()
    panels = [axes for axes in figure.axes if axes.get_title()]
    return [np.asarray(axes.images[0].get_array()).tolist() if len(axes.images) > 1 else None for axes in panels]


def test_a_picture_lies_over_the_image_that_its_frame_was_compared_with(increments: Sequence) -> None:
    below = []
    for name in ("ref.png", *(f"def_{index}.png" for index in range(T - 1))):
        with Image.open(increments.folder / name) as image:
            below.append(np.asarray(image).tolist())
    assert shown_below(increments.result, range(T)) == below


def test_one_frame_by_itself_lies_over_no_image(increments: Sequence) -> None:
    field = increments.field
    arrays = {name: getattr(field, name)[:1] for name in PER_PIXEL}
    for place, shown in ((-1, True), (0, False), (1, False)):  # as with --split: the others are in other files
        info = replace(field.deformed[0], reference_frame=place)
        write(increments.result, replace(field, deformed=(info,), **arrays))
        assert (shown_below(increments.result, range(1)) != [None]) == shown


def test_plot_says_it(increments: Sequence) -> None:
    target = increments.folder / "out.svg"
    for options, said in (
        (("--field", "u"), True),
        (("--field", "zncc"), False),
        (("--field", "zncc", "--vectors"), True),
    ):
        assert scorrnet("plot", increments.result, *options, "-o", target, "--overwrite", "-q").exit_code == 0
        assert ("from frame to frame" in target.read_text()) == said


def test_probe_says_it_and_refuses_lines(increments: Sequence) -> None:
    for option, places in (("--point", "A=40,10"), ("--rect", "30,8,20,10"), ("--profile", "cut=20,10,60,10")):
        result = scorrnet("probe", increments.result, option, places)
        assert result.exit_code == 0, result.stderr
        assert "from frame to frame" in result.stderr
    for command in ("probe", "report"):
        result = scorrnet(command, increments.result, "--point", "40,10", "--line", "gauge=20,10,60,10")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "from frame to frame" in result.stderr
        assert "(gauge). Measure to one reference" in result.stderr


def test_export_says_it(increments: Sequence) -> None:
    assert "from frame to frame" in scorrnet("export", increments.result, "--to", "csv").stdout


def test_the_report_shows_the_surface_of_every_frame_and_says_it(increments: Sequence) -> None:
    target = increments.folder / "report.html"
    assert scorrnet("report", increments.result, "-o", target, "--point", "A=40,10", "-q").exit_code == 0
    page = Page(target)
    used = np.flatnonzero(increments.field.mask.any((0, 1)))
    grid = page.data["grid"]
    assert grid["x"] <= used[0]
    assert grid["x"] + grid["columns"] > used[-1]
    assert page.data["image"] is None
    words = {field["name"]: field["words"] for field in page.data["fields"]}
    assert words["v"] == "displacement down, from frame to frame"
    assert "frame to frame" not in words["zncc"]
    for text in (
        "Displacement and strain of 3 deformed images of 80 x 60 px from frame to frame, beginning with the reference",
        "Each field lies at the pixels of the frame before",
        "Points: displacement from frame to frame (px)",
        "Mean displacement of the surface from frame to frame (px)",
        "Mean Green-Lagrange strain of the surface from frame to frame (%)",
    ):
        assert text in page.content


def test_displacements_from_the_reference_are_not_said_to_be(sequence: Sequence) -> None:
    infos = tuple(replace(info, reference_frame=index - 1) for index, info in enumerate(sequence.field.deformed))
    write(sequence.result, replace(sequence.field, deformed=infos))  # the reference was updated
    with Image.open(sequence.folder / "ref.png") as image:
        assert shown_below(sequence.result, range(T)) == [np.asarray(image).tolist()] * T
    result = scorrnet("probe", sequence.result, "--line", "gauge=20,10,60,10")
    assert result.exit_code == 0
    assert "frame to frame" not in result.stderr
