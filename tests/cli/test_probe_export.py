"""`scorrnet probe` and `scorrnet export`: tables, pictures, units, and what is refused."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import h5py
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from scorrnet_cli.cli import app
from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import PER_PIXEL, Field
from scorrnet_cli.layers import Extent, open_layers
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import Header, open_writer, write_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MakeField = Callable[[int, int, int], Field]
T, H, W = 3, 40, 60


def scorrnet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="scorrnet")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def write(path: Path, field: Field, calibration: Calibration | None = None, time_source: str = "") -> None:
    header = Header((H, W), field.shape[0], field.reference, field.process, calibration, time_source)
    with open_writer(path, header) as writer:
        writer.append(replace(field, calibration=calibration))


@pytest.fixture
def field(make_field: MakeField) -> Field:
    """A stretch of 1 % a frame along x, with a hole; valid elsewhere."""
    made = make_field(T, H, W)
    valid = np.ones((T, H, W), bool)
    valid[:, 10:20, 10:20] = False
    x = np.broadcast_to(np.arange(W), (H, W))
    u = np.where(valid, np.stack([0.01 * step * x for step in range(T)]), np.nan).astype(np.float32)
    v = np.where(valid, 0.5, np.nan).astype(np.float32)
    sigma = np.where(valid, 0.01, np.nan).astype(np.float32)
    return replace(made, u=u, v=v, mask=valid, valid=valid, sigma_u=sigma, sigma_v=sigma)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: Field) -> Path:
    """The current folder with `px.h5`, and `mm.h5` that has a scale and times."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "px.h5", field)
    infos = tuple(replace(info, at_s=0.25 * step) for step, info in enumerate(field.deformed))
    write(tmp_path / "mm.h5", replace(field, deformed=infos), Calibration(0.1, "as told"), "as told")
    return tmp_path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are saved from here on."""
    figure = pytest.importorskip("matplotlib.figure").Figure
    kept: list[Figure] = []
    save = figure.savefig

    def keep(self: Figure, *arguments: Any, **options: Any) -> None:
        kept.append(self)
        save(self, *arguments, **options)

    monkeypatch.setattr(figure, "savefig", keep)
    return kept


@pytest.mark.usefixtures("folder")
class TestProbe:
    def test_a_line_a_frame_and_probe(self) -> None:
        result = scorrnet("probe", "px.h5", "--point", "A=30,25", "--line", "gauge=25,30,55,30")
        assert result.exit_code == 0, result.stderr
        rows = rows_of(result.stdout)
        assert [(row["frame"], row["probe"], row["kind"]) for row in rows] == [
            (str(step), name, kind) for step in range(T) for name, kind in (("A", "point"), ("gauge", "line"))
        ]
        assert [float(row["u_px"]) for row in rows[::2]] == pytest.approx([0.0, 0.3, 0.6])
        assert [float(row["strain"]) for row in rows[1::2]] == pytest.approx([0.0, 0.01, 0.02], abs=1e-6)
        assert [float(row["elongation_px"]) for row in rows[1::2]] == pytest.approx([0.0, 0.3, 0.6], abs=1e-5)
        assert rows[1]["u_px"] == rows[0]["strain"] == ""  # a line has no u of its own, a point no length
        assert rows[0]["image"] == "Verformt ö_0.tif[0]"
        assert "time_s" not in rows[0]

    def test_mm_and_s_where_the_result_has_them(self) -> None:
        result = scorrnet("probe", "mm.h5", "--line", "25,30,55,30", "--frame", "last")
        assert result.exit_code == 0, result.stderr
        (row,) = rows_of(result.stdout)
        assert row["probe"] == "line 25 30 55 30"
        assert float(row["time_s"]) == 0.5
        assert float(row["length_mm"]) == pytest.approx(3.06)
        assert float(row["strain"]) == pytest.approx(0.02, abs=1e-6)

    def test_an_image_without_a_time_leaves_the_others_theirs(self, field: Field) -> None:
        infos = tuple(replace(info, at_s=at_s) for info, at_s in zip(field.deformed, (5.0, None, 9.0), strict=True))
        write(Path("some.h5"), replace(field, deformed=infos), time_source="as told")
        result = scorrnet("probe", "some.h5", "--point", "A=30,25")
        assert [row["time_s"] for row in rows_of(result.stdout)] == ["5", "", "9"]
        with h5py.File("some.h5") as file:
            assert file["VTKHDF/Steps/Values"][...].tolist() == [5.0, 7.0, 9.0]
        assert scorrnet("export", "some.h5", "--to", "vtk", "-o", "vtk").exit_code == 0
        (steps,) = Path("vtk").glob("*.pvd")
        assert re.findall(r'timestep="(.*?)"', steps.read_text()) == ["5.0", "7.0", "9.0"]

    def test_layers_of_a_box_that_leaves_the_image_are_refused(self) -> None:
        with open_layers(Path("px.h5")) as result:
            whole = result.layers(0, Extent(0, 0, W, H), strain=False)
            assert whole.valid.shape == (H, W)
            for box in (Extent(-5, 0, 3, 3), Extent(0, -1, 3, 3), Extent(W - 2, 0, 3, 3), Extent(0, H - 2, 3, 3)):
                with pytest.raises(UsageError, match="does not lie within the image of 60 x 40 px"):
                    result.layers(0, box)

    def test_names_are_printed_as_they_are(self, field: Field) -> None:
        """No part of them is a picture or a colour."""
        infos = tuple(replace(info, name=f":x: [bold]:100:{index}") for index, info in enumerate(field.deformed))
        write(Path("e:x:.h5"), replace(field, deformed=infos))
        assert rows_of(scorrnet("probe", "e:x:.h5", "--point", "A=30,25").stdout)[1]["image"] == ":x: [bold]:100:1"
        shown = scorrnet("view", "e:x:.h5", "--field", "u").stdout
        assert ":x: [bold]:100:2" in shown
        assert "e:x:_csv" in scorrnet("export", "e:x:.h5", "--to", "csv", "-o", "e:x:_csv").stdout

    def test_a_rectangle_counts_its_points(self) -> None:
        result = scorrnet("probe", "px.h5", "--rect", "5,5,10,10", "--frame", "1")
        (row,) = rows_of(result.stdout)
        assert row["points"] == "75"
        assert float(row["v_px"]) == pytest.approx(0.5)
        assert 0 < float(row["sigma_v_px"]) < 0.01

    def test_what_is_not_valid_stays_empty_and_is_said(self) -> None:
        result = scorrnet("probe", "px.h5", "--point", "hole=15,15")
        assert result.exit_code == 0
        assert all(row["u_px"] == row["exx"] == "" for row in rows_of(result.stdout))
        assert "warning: hole: nothing is valid there" in result.stderr

    def test_a_probe_that_is_lost_on_the_way_is_said(self, field: Field) -> None:
        valid = field.valid.copy()
        valid[2, :, 40:] = False  # the end of the line
        valid[1:, 20:30, 28:40] = False  # part of the rectangle
        u, v = (np.where(valid, each, np.nan).astype(np.float32) for each in (field.u, field.v))
        write(Path("lost.h5"), replace(field, u=u, v=v, valid=valid))
        places = ("--line", "gauge=25,10,55,10", "--rect", "part=20,15,20,20", "--point", "kept=25,35")
        result = scorrnet("probe", "lost.h5", *places)
        assert result.exit_code == 0
        told = " ".join(result.stderr.split())
        assert f"gauge: valid in 2 of 3 frames, the last is {field.deformed[1].name}" in told
        assert "part: 280 to 400 points are valid, so that means are of different parts" in told
        assert "kept" not in told
        assert scorrnet("probe", "lost.h5", *places, "-q").stderr == ""

    def test_a_line_with_an_end_off_the_surface_is_said(self) -> None:
        result = scorrnet("probe", "px.h5", "--line", "gauge=15,15,55,30", "--line", "good=25,30,55,30")
        assert result.exit_code == 0
        assert all(row["strain"] == "" for row in rows_of(result.stdout) if row["probe"] == "gauge")
        assert "warning: gauge: its two ends are not valid together" in result.stderr
        assert "good" not in result.stderr
        told = scorrnet("probe", "px.h5", "--profile", "cut=15,15,55,30").stderr
        assert (told.count("scorrnet: "), told.startswith("scorrnet: strain: ")) == (1, True)
        assert "virtual strain gauge" in " ".join(told.split())

    def test_the_example_of_the_documentation_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MPLBACKEND", "agg")
        pytest.importorskip("pandas")
        pyplot = pytest.importorskip("matplotlib.pyplot")
        page = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
        (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        places = ("--point", "A=30,25", "--point", "B=40,25.5")
        assert scorrnet("probe", "mm.h5", *places, "-o", "points.csv").exit_code == 0  # as there, after its units
        known: dict[str, Any] = {}
        exec(program, known)
        assert known["table"].shape[0] == 2 * len(pyplot.gca().lines[0].get_xdata()) == 2 * T
        pyplot.close("all")

    def test_profiles(self) -> None:
        result = scorrnet("probe", "mm.h5", "--profile", "cut=0,30,59,30", "--frame", "2")
        assert result.exit_code == 0, result.stderr
        rows = rows_of(result.stdout)
        assert len(rows) == W
        assert [row["x_px"] for row in rows] == [str(x) for x in range(W)]
        assert float(rows[-1]["distance_mm"]) == pytest.approx(5.9)
        assert float(rows[-1]["u_mm"]) == pytest.approx(0.1 * 0.02 * 59)

    def test_to_a_file_with_a_picture(self, folder: Path) -> None:
        pytest.importorskip("matplotlib")
        arguments = ("probe", "mm.h5", "--point", "30,25", "--line", "25,30,55,30", "--plot", "a.png", "-o", "a.csv")
        result = scorrnet(*arguments)
        assert result.exit_code == 0, result.stderr
        assert len(rows_of((folder / "a.csv").read_text(encoding="utf-8"))) == 2 * T
        with Image.open("a.png") as picture:
            assert picture.width > 800
            assert len(set(picture.convert("RGB").resize((200, 200)).get_flattened_data())) > 20
        assert scorrnet(*arguments).exit_code == 7
        assert scorrnet(*arguments, "--overwrite").exit_code == 0
        assert scorrnet("probe", "mm.h5", "--profile", "0,30,59,30", "--plot", "b.png").exit_code == 0

    def test_a_profile_is_drawn_of_the_last_frame_that_was_measured(self, field: Field, drawn: list[Figure]) -> None:
        *rest, last = field.deformed
        lost = {name: getattr(field, name).copy() for name in ("u", "v", "valid")}
        for name, values in lost.items():
            values[-1] = False if name == "valid" else np.nan
        write(Path("lost.h5"), replace(field, **lost, deformed=(*rest, replace(last, failure="truncated"))))
        assert scorrnet("probe", "lost.h5", "--profile", "0,30,59,30", "--plot", "a.png").exit_code == 0
        (figure,) = drawn
        assert f"frame {T - 2}: {rest[-1].name}" in {text.get_text() for text in figure.texts}
        assert np.isfinite(np.asarray(figure.axes[0].get_lines()[0].get_ydata(), float)).sum() > 40

    def test_curves_end_alike_and_a_single_frame_has_its_values_side_by_side(
        self, drawn: list[Figure], field: Field
    ) -> None:
        lost = replace(field, **{name: getattr(field, name).copy() for name in ("u", "v", "valid")})
        for name, nothing in (("u", np.nan), ("v", np.nan), ("valid", False)):
            getattr(lost, name)[-1, :, 50:] = nothing
        write(Path("lost.h5"), lost)
        probes = ("--point", "A=30,25", "--line", "L=25,30,55,30")
        assert scorrnet("probe", "lost.h5", *probes, "--plot", "a.png", "-o", "a.csv").exit_code == 0
        assert len({axis.get_xlim() for axis in drawn[0].axes}) == 1
        assert drawn[0].axes[0].get_xlim()[1] > T - 1
        one = scorrnet("probe", "px.h5", *probes, "--frame", "1", "--plot", "b.png", "-o", "b.csv")
        assert one.exit_code == 0, one.stderr
        names = [[text.get_text() for text in axis.get_xticklabels()] for axis in drawn[1].axes]
        assert names == [["A: u", "A: v"], ["A: exx", "A: eyy", "A: exy"], ["L"]]
        places = [cast("Any", container).lines[0].get_xdata()[0] for container in drawn[1].axes[1].containers]
        assert places == [0, 1, 2]

    @pytest.mark.parametrize("kind", ["point", "profile"])
    def test_names_stand_in_the_picture_as_they_are(
        self, folder: Path, field: Field, drawn: list[Figure], kind: str
    ) -> None:
        infos = tuple(replace(info, name="b$\\foo$_试样.tif") for info in field.deformed)
        write(folder / "odd.h5", replace(field, deformed=infos))
        place = "30,25" if kind == "point" else "0,30,59,30"
        names = ("b$\\foo$", "_试样")
        probes = [part for name in names for part in (f"--{kind}", f"{name}={place}")]
        result = scorrnet("probe", "odd.h5", *probes, "--plot", "a.png", "-q")
        assert (result.exit_code, result.stderr) == (0, "")
        (figure,) = drawn
        legend = figure.axes[0].get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [
            f"{name}: {each}" for name in names for each in "uv"
        ]
        assert figure.get_suptitle() == ("" if kind == "point" else f"frame {T - 1}: {infos[-1].name}")

    @pytest.mark.parametrize(
        ("arguments", "code", "word"),
        [
            (("px.h5",), 2, "nothing to read"),
            (("px.h5", "--point", "1,2,3"), 2, "2 numbers"),
            (("px.h5", "--line", "a,b"), 2, "numbers with commas"),
            (("px.h5", "--rect", "1,2,3.5,4"), 2, "whole numbers"),
            (("px.h5", "--point", "nan,3"), 2, "numbers with commas"),
            (("px.h5", "--point", "70,3"), 2, "does not lie within the image"),
            (("px.h5", "--line", "5,5,5,5"), 2, "two different ends"),
            (("px.h5", "--point", "A=1,2", "--rect", "A=1,2,3,4"), 2, "same name"),
            (("px.h5", "--profile", "1,2,3,4", "--point", "1,2"), 2, "table of their own"),
            (("px.h5", "--point", "1,2", "--frame", "3"), 2, "0 to 2"),
            (("none.h5", "--point", "1,2"), 2, "no such result"),
            (("px.h5", "--point", "1,2", "-o", "missing/a.csv"), 7, "does not exist"),
            (("px.h5", "--point", "1,2", "--plot", "a.png", "-o", "a.png"), 7, "Choose .csv"),
            (("px.h5", "--point", "1,2", "--plot", "a.jpg"), 7, "Choose one of .png, .pdf, .svg"),
        ],
    )
    def test_what_is_refused(self, arguments: tuple[str, ...], code: int, word: str) -> None:
        result = scorrnet("probe", *arguments)
        assert result.exit_code == code
        assert result.stdout == ""
        assert word in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("plot", "r.h5"),
        ("view", "r.h5"),
        ("report", "r.h5"),
        ("export", "r.h5", "--to", "npz"),
        ("units", "r.h5"),
        ("probe", "r.h5", "--point", "5,5"),
        ("strain", "r.h5"),
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("missing", [1, 3])
def test_a_result_without_its_shards_is_not_shown_as_empty(
    folder: Path, field: Field, arguments: tuple[str, ...], missing: int
) -> None:
    shards = folder / "r.h5.shards"
    shards.mkdir()
    names = [f"{shards.name}/{index:06d}.h5" for index in range(T)]
    for index, name in enumerate(names[missing:], missing):
        arrays = {each: getattr(field, each)[index : index + 1] for each in PER_PIXEL}
        write(folder / name, replace(field, deformed=field.deformed[index : index + 1], **arrays))
    write_view(folder / "r.h5", Header((H, W), T, field.reference, field.process), names)
    before = sorted(folder.iterdir())
    result = scorrnet(*arguments)
    assert (result.exit_code, result.stdout) == (7, "")
    assert f"{missing} of 3 shards are missing (r.h5.shards/000000.h5)" in result.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.usefixtures("folder")
class TestExport:
    def test_says_what_was_written(self, folder: Path) -> None:
        result = scorrnet("export", "mm.h5", "--to", "csv", "--step", "2")
        assert result.exit_code == 0, result.stderr
        for word in ("30 x 20, every 2 px", "mm", "green-lagrange, VSG", "mm_csv (3 files)"):
            assert word in result.stdout
        assert len(list((folder / "mm_csv").glob("*.csv"))) == T

    def test_a_folder_is_not_called_as_a_file(self, folder: Path) -> None:
        result = scorrnet("export", "mm.h5", "--to", "csv", "-o", "out.csv")
        assert (result.exit_code, "csv is a folder" in result.stderr) == (2, True)
        assert not (folder / "out.csv").exists()
        one = scorrnet("export", "mm.h5", "--to", "csv", "--frame", "last")
        assert re.search(r"written to +mm_csv/0002_\S+\.csv$", one.stdout, re.MULTILINE), one.stdout

    def test_says_what_a_format_leaves_out(self) -> None:
        rows = dict(line.split(None, 1) for line in scorrnet("export", "mm.h5", "--to", "pyvale").stdout.splitlines())
        assert (rows["unit"].strip(), rows["strain"].strip()) == ("px", "not written")

    def test_one_file_formats_are_named_after_the_result(self, folder: Path) -> None:
        assert scorrnet("export", "px.h5", "--to", "npz", "--frame", "last", "-q").stdout == ""
        assert np.load(folder / "px.npz")["u"].shape == (1, H, W)

    @pytest.mark.parametrize(
        ("arguments", "code", "word"),
        [
            (("px.h5",), 2, "--to"),
            (("px.h5", "--to", "xlsx"), 2, "xlsx"),
            (("px.h5", "--to", "csv", "--step", "0"), 2, "--step"),
            (("px.h5", "--to", "vtkhdf", "-o", "a.vtkhdf"), 7, "exists already"),
            (("px.h5", "--to", "npz", "-o", "new.h5"), 7, "Choose .npz"),
            (("px.h5", "--to", "mat", "-o", "new.npz"), 7, "Choose .mat"),
            (("none.h5", "--to", "npz"), 2, "no such result"),
        ],
    )
    def test_what_is_refused(self, folder: Path, arguments: tuple[str, ...], code: int, word: str) -> None:
        (folder / "a.vtkhdf").touch()
        result = scorrnet("export", *arguments)
        assert result.exit_code == code
        assert result.stdout == ""
        assert word in result.stderr

    def test_the_result_is_never_replaced(self, folder: Path) -> None:
        before = (folder / "px.h5").read_bytes()
        result = scorrnet("probe", "px.h5", "--point", "1,2", "-o", "px.h5", "--overwrite")
        assert (result.exit_code, "Choose .csv" in result.stderr) == (7, True)
        assert (folder / "px.h5").read_bytes() == before

    def test_nor_is_an_image_that_was_measured(self, folder: Path, field: Field) -> None:
        pytest.importorskip("matplotlib")
        infos = tuple(replace(info, name=f"{index}.png") for index, info in enumerate(field.deformed))
        write(folder / "seen.h5", replace(field, deformed=infos))
        Image.new("L", (8, 8)).save(folder / "1.png")
        before = (folder / "1.png").read_bytes()
        for command in (("plot",), ("probe", "--point", "30,25")):
            option = "-o" if command == ("plot",) else "--plot"
            result = scorrnet(command[0], "seen.h5", *command[1:], option, "1.png", "--overwrite")
            assert (result.exit_code, "would replace an image" in result.stderr) == (7, True)
        assert (folder / "1.png").read_bytes() == before
        for _ in range(2):  # a picture of ours may be replaced, whatever its name
            assert scorrnet("plot", "seen.h5", "-o", "2.png", "--overwrite").exit_code == 0

    def test_increments_tell_from_which_image_they_are(self, folder: Path, field: Field) -> None:
        settings = replace(field.process.settings, increments=True)
        infos = tuple(replace(info, reference_frame=index - 1) for index, info in enumerate(field.deformed))
        increments = replace(field, deformed=infos, process=replace(field.process, settings=settings))
        write(folder / "steps.h5", increments)
        under = [field.reference.name, *(info.name for info in field.deformed[:-1])]
        assert scorrnet("export", "steps.h5", "--to", "npz").exit_code == 0
        with np.load(folder / "steps.npz") as file:
            assert file["increments"]
            assert file["reference_of_frame"].tolist() == under
        assert scorrnet("export", "steps.h5", "--to", "gom").exit_code == 0
        heads = [path.read_text(encoding="utf-8") for path in sorted((folder / "steps_gom").iterdir())]
        written = [re.findall(r"# reference +: (.*)", head)[0] for head in heads]
        assert [name.encode("ascii", "backslashreplace").decode() for name in under] == written
