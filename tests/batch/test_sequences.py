"""Which images a batch takes, in what order, and where its results go."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import Result

from scorrnet_cli.batch.finding import find_images
from scorrnet_cli.batch.sources import Selection
from scorrnet_cli.batch.whole import complete
from scorrnet_cli.errors import UsageError
from scorrnet_cli.images import rasters
from scorrnet_cli.writers import Header, read_hdf5, write_view
from scorrnet_cli.writers.own import is_ours

Run = Callable[..., Result]
Draw = Callable[[Path, int], Path]
pytestmark = pytest.mark.usefixtures("pipeline")


def names(path: Path) -> list[str]:
    return [info.name for info in read_hdf5(path).deformed]


def numbered(*numbers: int) -> list[str]:
    return [f"img_{number}.png" for number in numbers]


def test_a_folder_becomes_one_file(folder: Path, scorrnet: Run) -> None:
    result = scorrnet("batch", folder)
    assert result.exit_code == 0, result.stderr
    field = read_hdf5(folder / "scorrnet.h5")
    assert [info.name for info in field.deformed] == numbered(*range(1, 12))
    assert field.reference.name == "img_0.png"
    assert (np.diff(np.nanmean(field.u, axis=(1, 2))) > 0).all()
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".png") == ["scorrnet.h5"]


def test_a_line_a_frame_and_a_table_are_said(folder: Path, scorrnet: Run) -> None:
    result = scorrnet("batch", folder, "--stop", "4")
    first, *lines = result.stderr.splitlines()
    assert first == "scorrnet: measuring on cpu"
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        pattern = rf"scorrnet: {number} of 3  img_{number}.png  valid 100.0%  zncc 0.9900  \d+\.\d\d frames/s"
        assert re.fullmatch(pattern, line)
    rows = dict(re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in result.stdout.splitlines())
    assert rows["reference"] == "img_0.png, 60 x 40 px"
    assert rows["frames"] == "3 of 3 measured"
    assert rows["valid"] == "median 100.0% of the mask, least 100.0% in img_1.png"
    assert rows["zncc"] == "median 0.9900, least 0.9900 in img_1.png"
    assert re.fullmatch(r"\d+\.\d s, \d+\.\d\d frames per second, \d+% of it computing", rows["time"])
    assert rows["written to"] == str(folder / "scorrnet.h5")
    quiet = scorrnet("batch", folder, "-q", "--overwrite")
    assert (quiet.exit_code, quiet.output) == (0, "")


def test_json(folder: Path, scorrnet: Run) -> None:
    (sequence,) = json.loads(scorrnet("batch", folder, "--stop", "3", "--json").stdout)["sequences"]
    assert [frame["name"] for frame in sequence["frames"]] == numbered(1, 2)
    assert (sequence["failed"], sequence["resumed"]) == (0, 0)
    assert 0 < sequence["compute_share"] < 1
    assert sequence["image_size_px"] == [60, 40]


def test_a_mask_in_doubt_is_told_and_shown(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    pipeline.unsure_share = 0.1
    result = scorrnet("batch", folder, "--stop", "3", "--probability", "--json")
    assert result.exit_code == 0, result.stderr
    (told,) = [line for line in result.stderr.splitlines() if "warning" in line]
    assert told.startswith("scorrnet: warning: the mask is unsure: ")
    (sequence,) = json.loads(result.stdout)["sequences"]
    assert [f"scorrnet: warning: {each}" for each in sequence["warnings"]] == [told]
    assert sequence["probability"] == str(folder / "scorrnet.probability.png")
    with Image.open(folder / "scorrnet.probability.png") as picture:
        assert picture.size == (60, 40)
    again = scorrnet("batch", folder, "--stop", "3", "--overwrite")  # the picture is none of the images
    assert again.exit_code == 0, again.stderr
    assert "2 of 2 measured" in again.stdout


@pytest.mark.parametrize(
    ("flags", "reference", "deformed"),
    [
        (("--every", "4"), 0, (4, 8)),
        (("--start", "3", "--stop", "6"), 3, (4, 5)),
        (("--start", "1", "--every", "5"), 1, (6, 11)),
        (("--pattern", "img_1*.png"), 1, (10, 11)),
        (("--reference", "images/img_5.png", "--start", "4", "--stop", "7"), 5, (4, 6)),
    ],
)
def test_selections(
    folder: Path, scorrnet: Run, flags: tuple[str, ...], reference: int, deformed: tuple[int, ...]
) -> None:
    result = scorrnet("batch", folder, *flags)
    assert result.exit_code == 0, result.stderr
    assert names(folder / "scorrnet.h5") == numbered(*deformed)
    assert read_hdf5(folder / "scorrnet.h5").reference.name == f"img_{reference}.png"


def test_selections_that_take_nothing() -> None:
    for start, stop, every in ((3, 3, 1), (-1, None, 1), (0, None, 0)):
        with pytest.raises(UsageError):
            Selection(start, stop, every)


def test_a_list_on_stdin_is_taken_in_its_order(folder: Path, scorrnet: Run) -> None:
    listed = "\n".join(f"images/img_{number}.png" for number in (7, 2, 9)) + "\n\n"
    result = scorrnet("batch", "-", "-o", "out.h5", stdin=listed)
    assert result.exit_code == 0, result.stderr
    assert names(Path("out.h5")) == numbered(2, 9)
    empty = scorrnet("batch", "-", stdin="\n")
    assert (empty.exit_code, "The list of images on stdin is empty. Give" in empty.stderr) == (3, True)
    one = scorrnet("batch", "-", stdin="images/img_7.png")
    assert (one.exit_code, "(list on stdin). Give at least two." in one.stderr) == (3, True)
    assert scorrnet("batch", "-", "--pattern", "*", stdin=listed).exit_code == 2


def test_names_on_stdin_need_not_be_text(folder: Path, scorrnet: Run) -> None:
    listed = b"images/img_7.png\nimages/pr\xfcf.png\nimages/img_9.png\n"
    result = scorrnet("batch", "-", "-o", "out.h5", stdin=listed)
    assert result.exit_code == 6, result.stderr
    assert [info.name for info in read_hdf5("out.h5").deformed if info.failure] == ["pr\ufffdf.png"]
    assert "The list of images on stdin is empty" in scorrnet("batch", "-", stdin=b"").stderr


def test_sizes_that_differ_are_refused_by_name_before_anything_is_measured(
    folder: Path, scorrnet: Run, pipeline: Any
) -> None:
    for number in (3, 5, 6, 7):
        Image.new("L", (59, 40)).save(folder / f"img_{number}.png")
    result = scorrnet("batch", folder)
    assert result.exit_code == 3
    assert "img_3.png of 59 x 40 px, img_5.png of 59 x 40 px, img_6.png of 59 x 40 px and 1 more" in result.stderr
    assert "img_0.png is 60 x 40 px" in result.stderr
    assert not pipeline.measured
    assert not list(folder.glob("scorrnet*"))


def test_what_lies_in_the_folder_for_other_reasons_is_no_frame(folder: Path, scorrnet: Run) -> None:
    Image.new("L", (60, 40), 255).save(folder / "mask.png")
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_bytes((folder / "img_1.png").read_bytes())
    flags = ("--mask", folder / "mask.png", "-o", folder / "out.tif", "--plot")
    assert scorrnet("batch", folder, *flags).exit_code == 0
    assert (folder / "out.png").exists()
    assert scorrnet("batch", folder, *flags, "--overwrite").exit_code == 0
    assert tifffile.imread(folder / "out.tif").shape == (11, 2, 40, 60)


@pytest.fixture
def ours(folder: Path, scorrnet: Run) -> list[str]:
    """Names of results and pictures of earlier runs among the images."""
    pair = ("measure", folder / "img_0.png", folder / "img_1.png", "-q")
    for output, *flags in (("a.tif",), ("b.ome.tif",), ("img_1.scorrnet.h5", "--plot"), ("d.h5", "--probability")):
        result = scorrnet(*pair, "-o", folder / output, *flags)
        assert result.exit_code == 0, result.stderr
    result = scorrnet("plot", folder / "img_1.scorrnet.h5", "--field", "u", "-o", folder / "e.mp4")
    assert result.exit_code == 0, result.stderr
    result = scorrnet("probe", folder / "d.h5", "--point", "9,9", "--plot", folder / "f.png", "-q")
    assert result.exit_code == 0, result.stderr
    return ["a.tif", "b.ome.tif", "d.probability.png", "e.mp4", "f.png", "img_1.scorrnet.png"]


def test_what_the_program_has_written_is_no_frame(folder: Path, scorrnet: Run, ours: list[str]) -> None:
    assert set(ours) <= {path.name for path in folder.iterdir()}
    for flags in ((), ("-o", folder / "other.tif"), ("--recursive", "-o", "third.h5")):
        result = scorrnet("batch", folder, *flags)
        assert result.exit_code == 0, result.stderr
        assert "reference   img_0.png, 60 x 40 px" in result.stdout
        assert "11 of 11 measured" in result.stdout


def test_what_a_pattern_names_is_taken_whoever_wrote_it(folder: Path, scorrnet: Run, ours: list[str]) -> None:
    result = scorrnet("batch", folder, "--pattern", "*.png", "-o", folder / "d.h5", "--overwrite")
    assert (result.exit_code, "img_1.scorrnet.png of" in result.stderr) == (3, True)
    assert "d.probability.png" not in result.stderr  # of this run
    result = scorrnet("batch", folder, "--pattern", "[ai]*", "-o", "new.h5")
    assert (result.exit_code, "a.tif[0]" in result.stderr) == (3, True)


def test_a_watch_asks_once_who_wrote_a_file(
    folder: Path, scorrnet: Run, ours: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ask(path: Path) -> bool:
        asked.append(path.name)
        return is_ours(path)

    monkeypatch.setattr("scorrnet_cli.cli.batch_jobs.is_ours", ask)
    result = scorrnet("batch", folder, "--watch", "--idle", "0.6")
    assert result.exit_code == 0, result.stderr
    assert names(folder / "scorrnet.h5") == numbered(*range(1, 12))
    assert len(asked) == len(set(asked)) == 12 + len(ours)


def test_folders_without_enough_images(tmp_path: Path, scorrnet: Run, draw: Draw) -> None:
    (tmp_path / "sub").mkdir()
    assert scorrnet("batch", tmp_path).exit_code == 3
    draw(tmp_path / "a.png", 0)
    result = scorrnet("batch", tmp_path)
    assert result.exit_code == 3
    assert f"too few images to compare ({tmp_path}). Give at least two, or check --pattern." in result.stderr
    missing = scorrnet("batch", tmp_path / "none")
    assert (missing.exit_code, "There is no such folder or file" in missing.stderr) == (3, True)
    alone = scorrnet("batch", tmp_path, "--recursive")
    assert (alone.exit_code, f"{tmp_path} has one image only and is left out" in alone.stderr) == (3, True)
    assert find_images(tmp_path) == [tmp_path / "a.png"]


@pytest.mark.parametrize("flags", [(), ("--reference", "images/img_0.png")])
def test_what_the_selection_leaves_out_is_told(folder: Path, scorrnet: Run, flags: tuple[str, ...]) -> None:
    result = scorrnet("batch", "images", "--start", "12", *flags)
    assert result.exit_code == 3
    assert "last image is number 11, but the first to take is number 12 (images). Check --start" in result.stderr
    assert "--pattern" not in result.stderr
    result = scorrnet("batch", "images", "--stop", "1", *flags)
    assert result.exit_code == 3
    assert "Give at least two, or check --pattern, --start, --stop, --every." in result.stderr


def test_a_file_that_is_no_sequence(folder: Path, scorrnet: Run) -> None:
    Path("text.tif").write_text("no image")
    result = scorrnet("batch", "text.tif")
    assert (result.exit_code, "This is not an image that can be read (text.tif)" in result.stderr) == (3, True)
    result = scorrnet("batch", "images/img_0.png")
    assert (result.exit_code, "too few images" in result.stderr) == (3, True)
    assert result.stderr.rstrip().endswith("Give at least two.")
    tifffile.imwrite("sizes.tif", np.zeros((40, 60), np.uint8))
    tifffile.imwrite("sizes.tif", np.zeros((40, 59), np.uint8), append=True)
    result = scorrnet("batch", "sizes.tif")
    assert (result.exit_code, "59 x 40 px" in result.stderr, "--pattern" in result.stderr) == (3, True, False)


def test_a_result_that_exists_is_refused(folder: Path, scorrnet: Run) -> None:
    (folder / "scorrnet.h5").write_text("mine")
    result = scorrnet("batch", folder)
    assert (result.exit_code, "exists already" in result.stderr) == (7, True)
    assert (folder / "scorrnet.h5").read_text() == "mine"
    assert scorrnet("batch", folder, "--overwrite").exit_code == 0
    assert len(names(folder / "scorrnet.h5")) == 11


def test_each_folder_below_has_its_own_result(folder: Path, scorrnet: Run, draw: Draw) -> None:
    for name in ("b2", "b10"):
        (folder / name / "empty").mkdir(parents=True)
        for number in range(3):
            draw(folder / name / f"{name}_{number}.png", number)
    result = scorrnet("batch", folder, "--recursive", "--json")
    assert result.exit_code == 0, result.stderr
    outputs = [Path(sequence["output"]).parent for sequence in json.loads(result.stdout)["sequences"]]
    assert outputs == [folder, folder / "b2", folder / "b10"]
    assert names(folder / "b10" / "scorrnet.h5") == ["b10_1.png", "b10_2.png"]
    assert not (folder / "b10" / "empty" / "scorrnet.h5").exists()


def test_folders_of_one_image_are_measured_against_a_reference_from_elsewhere(
    folder: Path, scorrnet: Run, draw: Draw
) -> None:
    reference = folder / "img_0.png"
    for name, count in (("a", 1), ("b", 2), ("none", 0)):
        (folder / name).mkdir()
        for number in range(count):
            draw(folder / name / f"{name}_{number}.png", number + 1)
    result = scorrnet("batch", folder, "--recursive", "--reference", reference, "--json")
    assert result.exit_code == 0, result.stderr
    assert [len(each["frames"]) for each in json.loads(result.stdout)["sequences"]] == [11, 1, 2]
    for path in folder.glob("img_[1-9]*"):
        path.unlink()
    result = scorrnet("batch", folder, "--recursive", "--reference", reference, "--json", "--overwrite")
    assert result.exit_code == 0, result.stderr  # the reference is not measured against itself
    assert names(folder / "a" / "scorrnet.h5") == ["a_0.png"]
    assert [len(each["frames"]) for each in json.loads(result.stdout)["sequences"]] == [1, 2]


def test_an_image_that_is_called_reference_and_is_none_is_told(folder: Path, scorrnet: Run, draw: Draw) -> None:
    draw(folder / "reference.png", 50)
    result = scorrnet("batch", folder, "-o", "a.h5")
    assert result.exit_code == 0, result.stderr
    assert "compared with img_0.png; give --reference reference.png if it shows" in " ".join(result.stderr.split())
    told = json.loads(scorrnet("batch", folder, "-o", "d.h5", "--json").stdout)["sequences"][0]["warnings"]
    assert told[0].startswith("reference.png is among the images")
    result = scorrnet("batch", folder, "--reference", "reference.png", "-o", "b.h5")
    assert (result.exit_code, "give --reference" in result.stderr) == (0, False)
    (folder / "reference.png").rename(folder / "refined.png")
    assert "give --reference" not in scorrnet("batch", folder, "-o", "c.h5").stderr


def test_a_reference_is_looked_for_in_the_folder_too(folder: Path, scorrnet: Run, draw: Draw) -> None:
    result = scorrnet("batch", folder, "--reference", "img_3.png", "--json", "-o", "a.h5")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["sequences"][0]["reference"]["name"] == "img_3.png"
    assert "img_3.png" not in names(Path("a.h5"))
    draw(Path("img_3.png"), 77)  # what the path leads to comes first
    result = scorrnet("batch", folder, "--reference", "img_3.png", "-o", "b.h5")
    assert result.exit_code == 0, result.stderr
    assert "img_3.png" in names(Path("b.h5"))
    assert scorrnet("batch", folder, "--reference", "none.png", "-o", "c.h5").exit_code == 3


def test_times_that_do_not_rise_are_refused(tmp_path: Path, scorrnet: Run, draw: Draw) -> None:
    for number, name in enumerate(("a_0s.png", "b_12s.png", "c_7s.png")):
        draw(tmp_path / name, number)
    for arguments in (("batch", tmp_path), ("measure", *sorted(tmp_path.iterdir()))):
        result = scorrnet(*arguments, "--times", "names", "-o", tmp_path / "x.h5")
        assert result.exit_code == 3
        assert "do not rise: 12 s, and then 7 s (b_12s.png, c_7s.png)" in result.stderr


def test_an_image_that_cannot_be_read_needs_no_time(tmp_path: Path, scorrnet: Run) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        image = rng.integers(0, 255, (40, 60), np.uint8)
        tifffile.imwrite(tmp_path / f"{number}.tif", image, datetime=f"2026:01:31 14:25:{number:02d}", metadata=None)
    (tmp_path / "1.tif").write_bytes(b"")
    result = scorrnet("batch", tmp_path, "--times", "tiff", "-o", tmp_path / "x.h5")
    assert (result.exit_code, "1 of 2 frames" in result.stderr) == (6, True)
    assert [info.at_s for info in read_hdf5(tmp_path / "x.h5").deformed] == [None, 2.0]


def test_a_folder_that_cannot_be_measured_does_not_stop_the_others(folder: Path, scorrnet: Run, draw: Draw) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        for number in range(3):
            draw(folder / name / f"{number}.png", number)
    Image.new("L", (60, 40), 9).save(folder / "a" / "0.png")
    result = scorrnet("batch", folder, "--recursive")
    assert result.exit_code == 6
    assert "warning: " in result.stderr
    assert "1 of 3 folders could not be measured" in result.stderr
    assert not list((folder / "a").glob("scorrnet*"))
    assert (folder / "b" / "scorrnet.h5").exists()


def test_a_watch_that_cannot_end_well_does_not_begin(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    result = scorrnet("batch", folder, "--watch", "--idle", "0.9", "--strain", "-o", "w.tif")
    assert (result.exit_code, "no strain" in result.stderr) == (7, True), result.stderr
    assert not pipeline.measured


@pytest.mark.parametrize(("flags", "under"), [((), 0), (("--reference", "previous"), -2)])
def test_the_picture_lies_over_the_image_that_the_last_frame_was_compared_with(
    folder: Path, scorrnet: Run, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], under: int
) -> None:
    drawn = []
    monkeypatch.setattr(
        "scorrnet_cli.cli.preview.save_preview", lambda path, frame, field: drawn.append(frame.info.name)
    )
    images = [path.name for path in find_images(folder)]
    result = scorrnet("batch", folder, "--plot", "-o", "out.h5", *flags)
    assert result.exit_code == 0, result.stderr
    assert drawn == [images[under]]


def test_an_image_is_neither_left_out_nor_replaced(folder: Path, scorrnet: Run, draw: Draw) -> None:
    before = draw(folder / "ref.png", 3).read_bytes()
    assert scorrnet("batch", folder, "-o", folder / "ref.h5").exit_code == 0
    assert "ref.png" in names(folder / "ref.h5")
    result = scorrnet("batch", folder, "-o", folder / "ref.h5", "--plot", "--overwrite")
    assert (result.exit_code, "replace an image" in result.stderr) == (7, True)
    tifffile.imwrite(folder / "img_99.tif", np.zeros((40, 60), np.uint8))
    result = scorrnet("batch", folder, "-o", folder / "img_99.tif", "--overwrite")
    assert (result.exit_code, "replace an image" in result.stderr) == (7, True)
    assert (folder / "ref.png").read_bytes() == before


@pytest.mark.parametrize("command", ["batch", "measure"])
def test_a_mask_is_not_replaced(folder: Path, scorrnet: Run, command: str) -> None:
    Image.new("L", (60, 40), 255).save("test.png")
    Image.new("L", (60, 40), 255).save("test.tif")
    before = {path: path.read_bytes() for path in map(Path, ("test.png", "test.tif"))}
    images = (folder,) if command == "batch" else (folder / "img_0.png", folder / "img_1.png")
    goes_on = (("--resume",),) if command == "batch" else ()
    for mask, flags in (("test.png", ("-o", "test.h5", "--plot")), ("test.tif", ("-o", "test.tif"))):
        for more in ((), ("--overwrite",), *goes_on):
            result = scorrnet(command, *images, "--mask", mask, *flags, *more)
            assert (result.exit_code, "would replace an image, the mask or" in result.stderr) == (7, True)
    Path("weights.h5").write_bytes(b"mine")
    result = scorrnet(command, *images, "--displacement-weights", "weights.h5", "-o", "weights.h5", "--overwrite")
    assert (result.exit_code, Path("weights.h5").read_bytes()) == (7, b"mine")
    assert {path: path.read_bytes() for path in before} == before


def test_going_on_replaces_no_picture_but_its_own(folder: Path, scorrnet: Run) -> None:
    for option, name in (("--plot", "scorrnet.png"), ("--probability", "scorrnet.probability.png")):
        Image.new("L", (30, 30)).save(folder / "sub.png")
        mine = (folder / "sub.png").rename(folder / name)
        result = scorrnet("batch", folder, "--pattern", "img*", "--resume", option)
        assert (result.exit_code, "exists already" in result.stderr) == (7, True)
        mine.unlink()
        flags = ("batch", folder, option, "--resume")
        assert scorrnet(*flags).exit_code == 0
        (folder / "scorrnet.h5").unlink()
        result = scorrnet(*flags)
        assert result.exit_code == 0, result.stderr
        (folder / "scorrnet.h5").unlink()


def test_an_image_that_is_watched_is_not_replaced(folder: Path, scorrnet: Run) -> None:
    tifffile.imwrite(folder / "img_99.tif", np.zeros((40, 60), np.uint8))
    result = scorrnet("batch", folder, "--watch", "--idle", "0.3", "-o", folder / "img_99.tif", "--overwrite")
    assert (result.exit_code, "replace an image" in result.stderr) == (7, True)


def test_a_link_is_followed_and_permissions_are_kept(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    Path("disk").mkdir()
    Path("out.h5").symlink_to("disk/out.h5")
    Path("disk/out.h5").write_text("old")
    Path("disk/out.h5").chmod(0o600)
    beside: list[Path] = []
    pipeline.before = lambda frame: beside.extend(Path("disk").glob("*.parts"))
    assert scorrnet("batch", folder, "-o", "out.h5", "--overwrite").exit_code == 0
    assert beside
    assert Path("out.h5").is_symlink()
    assert len(names(Path("disk/out.h5"))) == 11
    assert Path("disk/out.h5").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in Path("disk").iterdir()] == ["out.h5"]


def test_shards_behind_a_link_are_merged(folder: Path, scorrnet: Run) -> None:
    assert scorrnet("batch", folder, "-o", "out.h5", "--split").exit_code == 0
    Path("disk").mkdir()
    Path("out.frames").rename("disk/out.h5.shards")
    shards = sorted(Path("disk/out.h5.shards").iterdir())
    one = read_hdf5(shards[0])
    header = Header(one.shape[1:], len(shards), one.reference, one.process)
    write_view(Path("disk/out.h5"), header, [f"{path.parent.name}/{path.name}" for path in shards])
    Path("out.h5").symlink_to("disk/out.h5")
    (folder.parent / "disk" / "run.json").touch()
    result = scorrnet("merge", "out.h5", "--copy")
    assert (result.exit_code, "has not ended" in result.stderr) == (2, True)
    (folder.parent / "disk" / "run.json").unlink()
    result = scorrnet("merge", "out.h5", "--copy")
    assert result.exit_code == 0, result.stderr
    assert Path("out.h5").is_symlink()
    assert [path.name for path in Path("disk").iterdir()] == ["out.h5"]
    assert names(Path("disk/out.h5")) == numbered(*range(1, 12))


def test_images_in_a_folder_of_frames_are_not_removed(folder: Path, scorrnet: Run, draw: Draw) -> None:
    raw = folder.rename(folder.with_name("test.frames"))
    result = scorrnet("batch", raw, "-o", "test.h5", "--split", "--overwrite")
    assert (result.exit_code, "would replace images" in result.stderr) == (7, True)
    other = raw.with_name("other")
    other.mkdir()
    for number in range(3):
        draw(other / f"{number}.png", number)
    result = scorrnet("batch", other, "-o", "test.h5", "--split", "--overwrite")
    assert (result.exit_code, "img_" in result.stderr) == (7, True)
    assert len(list(raw.iterdir())) == 12
    Path("far.h5.shards").mkdir()
    Path("far.h5.shards/thesis.tex").write_text("mine")
    result = scorrnet("batch", other, "-o", "far.h5", "--overwrite")
    assert (result.exit_code, "thesis.tex" in result.stderr) == (7, True)


@pytest.mark.parametrize("split", [True, False])
def test_what_came_into_a_folder_during_the_run_is_not_removed(
    folder: Path, scorrnet: Run, monkeypatch: pytest.MonkeyPatch, split: bool
) -> None:
    where = folder / ("scorrnet.frames" if split else "scorrnet.h5.shards")
    where.mkdir()

    def interrupted_by_a_colleague(*arguments: Any, **options: Any) -> Path:
        (where / "notes.txt").write_text("mine")
        return complete(*arguments, **options)

    again = ("batch", folder, *(["--split"] if split else []))
    with monkeypatch.context() as patched:
        patched.setattr("scorrnet_cli.batch.around.complete", interrupted_by_a_colleague)
        result = scorrnet(*again, "--overwrite")
    assert (result.exit_code, "notes.txt" in result.stderr) == (7, True)
    assert (where / "notes.txt").read_text() == "mine"
    (where / "notes.txt").unlink()
    result = scorrnet(*again, "--overwrite", "--resume")
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("suffix", [".h5", ".ome.tif"])
def test_one_file_a_frame(folder: Path, scorrnet: Run, suffix: str) -> None:
    assert scorrnet("batch", folder, "-o", folder / "out.h5").exit_code == 0
    whole = read_hdf5(folder / "out.h5")
    flags = ("--split", "-o", folder / f"out{suffix}")
    result = scorrnet("batch", folder, *flags)
    assert result.exit_code == 0, result.stderr
    assert scorrnet("batch", folder, *flags).exit_code == 7
    assert scorrnet("batch", folder, *flags, "--overwrite").exit_code == 0
    paths = sorted((folder / "out.frames").iterdir())
    assert [path.name for path in paths] == [f"{n - 1:06d}_img_{n}{suffix}" for n in range(1, 12)]
    for index, path in enumerate(paths):
        u = read_hdf5(path).u[0] if suffix == ".h5" else tifffile.imread(path)[0]
        assert np.array_equal(u, whole.u[index], equal_nan=True)
    assert sorted(folder.glob("*.parts")) == []


def test_a_hyperstack(folder: Path, scorrnet: Run) -> None:
    assert scorrnet("batch", folder).exit_code == 0
    assert scorrnet("batch", folder, "-o", folder / "out.tif").exit_code == 0
    whole = read_hdf5(folder / "scorrnet.h5")
    with tifffile.TiffFile(folder / "out.tif") as file:
        assert file.is_imagej
        assert file.series[0].axes == "TCYX"
        stack = file.asarray()
    assert np.array_equal(stack, np.stack([whole.u, whole.v], axis=1), equal_nan=True)


def test_a_hyperstack_too_large_is_refused_before_anything_is_measured(
    folder: Path, scorrnet: Run, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorrnet_cli.writers.tiff._CLASSIC_LIMIT_BYTES", 10 * 2 * 4 * 60 * 40)
    result = scorrnet("batch", folder, "-o", "out.tif")
    assert (result.exit_code, "4 GB" in result.stderr) == (7, True)
    assert not pipeline.measured
    assert scorrnet("batch", folder, "-o", "out.tif", "--split").exit_code == 0


def test_pages_of_a_tiff_are_a_sequence(folder: Path, scorrnet: Run) -> None:
    pages = np.random.default_rng(1).integers(0, 256, (7, 40, 60), dtype=np.uint8)
    tifffile.imwrite("movie.tif", pages, photometric="minisblack")
    result = scorrnet("batch", "movie.tif", "--every", "2")
    assert result.exit_code == 0, result.stderr
    field = read_hdf5("movie.scorrnet.h5")
    assert [info.name for info in field.deformed] == ["movie.tif[2]", "movie.tif[4]", "movie.tif[6]"]
    assert field.reference.name == "movie.tif[0]"
    assert np.nanmean(field.u, axis=(1, 2)) == pytest.approx(pages[2::2].mean(axis=(1, 2)))


@pytest.mark.parametrize("name", ["dropped.avi", "sound.mkv", "live.mkv"])
def test_no_frames_are_missed_that_were_never_there(tmp_path: Path, scorrnet: Run, name: str) -> None:
    av: Any = pytest.importorskip("av")
    path = tmp_path / name
    kind = "avi" if path.suffix == ".avi" else "matroska"
    with path.open("wb") as file:
        # The header of what is written to a pipe tells no duration.
        target = types.SimpleNamespace(write=file.write) if name == "live.mkv" else str(path)
        container = av.open(target, "w", format=kind)
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        if name == "sound.mkv":
            sound = container.add_stream("pcm_s16le", rate=8000)
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.int16), format="s16", layout="mono")
            silence.sample_rate = 8000
            container.mux(sound.encode(silence))
        for number, pixels in enumerate(np.random.default_rng(1).integers(0, 255, (8, 64, 96), dtype=np.uint8)):
            if name == "dropped.avi" and number in (3, 4):
                continue
            frame = av.VideoFrame.from_ndarray(pixels, format="gray")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        container.close()
    result = scorrnet("batch", path, "-o", tmp_path / "x.h5")
    assert result.exit_code == 0, result.stderr
    assert len(read_hdf5(tmp_path / "x.h5").deformed) == (5 if name == "dropped.avi" else 7)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "ffv1"), ("a.avi", "mjpeg"), ("a.avi", "rawvideo")])
def test_frames_that_were_cut_off_a_video_have_failed(tmp_path: Path, scorrnet: Run, name: str, codec: str) -> None:
    av: Any = pytest.importorskip("av")
    whole = tmp_path / "whole" / name
    whole.parent.mkdir()
    with av.open(str(whole), "w") as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if codec == "mjpeg" else "gray"
        for pixels in np.random.default_rng(1).integers(0, 255, (8, 64, 96), dtype=np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
        container.mux(stream.encode())
    content = whole.read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert scorrnet("batch", whole, "-o", tmp_path / "whole.h5").exit_code == 0
    result = scorrnet("batch", tmp_path / name, "-o", tmp_path / "cut.h5")
    assert result.exit_code == 6, result.stderr
    failed = [info.failure != "" for info in read_hdf5(tmp_path / "cut.h5").deformed]
    assert len(failed) == 7
    assert failed == sorted(failed) and 2 <= failed.index(True) <= 4


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [("a.avi", "rawvideo", "gray"), ("a.mkv", "ffv1", "gray"), ("a.mkv", "ffv1", "gray16le"), ("a.mp4", "mpeg4", "")],
)
def test_videos_are_sequences(tmp_path: Path, scorrnet: Run, name: str, codec: str, layout: str) -> None:
    av: Any = pytest.importorskip("av")
    path = tmp_path / name
    frames = np.random.default_rng(1).integers(0, 200, (5, 40, 64), dtype=np.uint8) + np.arange(5)[:, None, None] * 10
    if layout == "gray16le":
        frames = frames.astype(np.uint16) << 8
    frames = frames.astype(np.uint16 if layout == "gray16le" else np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 40, layout or "yuv420p"
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format=layout or "gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    result = scorrnet("batch", path, "--start", "1")
    assert result.exit_code == 0, result.stderr
    field = read_hdf5(tmp_path / "a.scorrnet.h5")
    assert [info.name for info in field.deformed] == [f"{name}[{index}]" for index in (2, 3, 4)]
    means = np.nanmean(field.u, axis=(1, 2))
    expected = frames[2:].astype(float).mean(axis=(1, 2))
    if layout:
        assert means == pytest.approx(expected, rel=1e-5)
    else:  # what mpeg4 has made of it
        assert (np.diff(means) > 5).all()


def test_a_video_is_decoded_no_farther_than_it_is_used(
    tmp_path: Path, scorrnet: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    av: Any = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 40, "gray"
        for pixels in np.random.default_rng(1).integers(0, 200, (30, 40, 64), dtype=np.uint8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
    decoded = []
    decode = rasters._video

    def counted(*asked: Any) -> Any:
        for raster in decode(*asked):
            decoded.append(raster.page)
            yield raster

    monkeypatch.setattr(rasters, "_video", counted)
    assert scorrnet("batch", tmp_path / "a.avi", "--stop", "3").exit_code == 0
    assert decoded == ["[0]", "[1]", "[2]"]


def test_a_video_without_pyav(tmp_path: Path, scorrnet: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "a.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST" + bytes(100))
    result = scorrnet("batch", tmp_path / "a.avi")
    assert result.exit_code == 2
    assert "pip install -e '.[video]'" in result.stderr


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--idle", "3"), "--watch"),
        (("--watch", "--recursive"), "one folder"),
        (("--recursive", "-o", "sub/out.h5"), "a name"),
        (("--stop", "3", "--start", "3"), "No image"),
        (("--every", "0"), "--every"),
    ],
)
def test_usage(folder: Path, scorrnet: Run, flags: tuple[str, ...], part: str) -> None:
    result = scorrnet("batch", folder, *flags)
    assert (result.exit_code, part in result.stderr) == (2, True), result.stderr


def test_every_pixel_in_place_of_a_mask_file(folder: Path, scorrnet: Run) -> None:
    result = scorrnet("batch", folder, "--mask", "all")
    assert result.exit_code == 0, result.stderr
    assert read_hdf5(folder / "scorrnet.h5").process.settings.mask == "all"
