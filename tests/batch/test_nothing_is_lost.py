"""Whatever goes wrong: bad frames are recorded, what was measured is kept, and the run goes on from there."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import Result

from scorrnet_cli.batch.parts import Parts
from scorrnet_cli.batch.places import remove
from scorrnet_cli.batch.whole import complete
from scorrnet_cli.errors import OutputError
from scorrnet_cli.frames import Frame
from scorrnet_cli.writers import Header, Writer, read_hdf5, write_view

Run = Callable[..., Result]
Read = Callable[[Path], dict[str, Any]]
Draw = Callable[[Path, int], Path]


def parts(folder: Path) -> Path:
    return folder / "scorrnet.h5.parts"


@pytest.fixture
def whole(folder: Path, scorrnet: Run, contents: Read, pipeline: Any) -> dict[str, Any]:
    """What an uninterrupted run gives; its file is taken away."""
    assert scorrnet("batch", folder).exit_code == 0
    found = contents(folder / "scorrnet.h5")
    (folder / "scorrnet.h5").unlink()
    pipeline.measured.clear()
    return found


def stop_at(pipeline: Any, name: str, error: BaseException) -> None:
    def before(frame: Frame) -> None:
        if frame.info.name == name:
            raise error

    pipeline.before = before


def go_on(pipeline: Any) -> None:
    pipeline.before = lambda frame: None
    pipeline.measured.clear()


def draw_campaign(folder: Path, draw: Draw, *names: str) -> None:
    """Put folders of three images each into a folder."""
    for name in names:
        (folder / name).mkdir()
        for number in range(3):
            draw(folder / name / f"{name}_{number}.png", number)


# -- bad frames --------------------------------------------------------------------------------------------------


def test_bad_frames_are_recorded_with_their_reason(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    path = folder / "img_2.png"
    path.write_bytes(path.read_bytes()[:500])  # the header is whole
    (folder / "img_4.png").write_bytes(b"")
    (folder / "img_5.png").write_bytes(b"no image")
    Image.new("L", (60, 40)).save(folder / "img_6.png")
    (folder / "img_8.png").unlink()
    (folder / "img_8.png").symlink_to("nowhere.png")
    result = scorrnet("batch", folder, "--pattern", "img_*")
    assert result.exit_code == 6, result.stderr
    assert "5 of 11 frames could not be measured" in result.stderr
    field = read_hdf5(folder / "scorrnet.h5")
    failed = {info.name: info.failure for info in field.deformed if info.failure}
    reasons = {"img_2.png": "truncated", "img_4.png": "empty", "img_5.png": "not an image", "img_6.png": "Nothing"}
    reasons["img_8.png"] = "no such image"  # a link to one that is missing
    assert failed.keys() == reasons.keys()
    for index, info in enumerate(field.deformed):
        assert reasons.get(info.name, "") in info.failure
        assert len(info.sha256) == (0 if info.name == "img_8.png" else 64)
        assert field.valid[index].any() == (info.name not in reasons)
        for name in ("u", "v", "zncc", "sigma_u", "sigma_v"):
            assert np.isnan(getattr(field, name)[index]).all() == (info.name in reasons)
    warnings = [line for line in result.stderr.splitlines() if "warning" in line]
    assert [line.split(", ")[1] for line in warnings] == list(reasons)
    assert result.stdout.count("failed") == 5


def test_status_is_in_the_file(folder: Path, scorrnet: Run, pipeline: Any, contents: Read) -> None:
    Image.new("L", (60, 40)).save(folder / "img_3.png")
    assert scorrnet("batch", folder, "--stop", "5").exit_code == 6
    found = contents(folder / "scorrnet.h5")
    assert list(found["entry/frames/deformed/status"][3]) == [1, 1, 2, 1]
    assert found["entry/frames/deformed/reason"] == ["", "", "Nothing matches", ""]


def test_a_wrong_size_that_no_header_told_fails_alone(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    pages = np.random.default_rng(0).integers(0, 255, (3, 40, 60), np.uint8)
    tifffile.imwrite(folder / "img_20.tif", pages, photometric="minisblack")

    def before(frame: Frame) -> None:
        if frame.info.name == "img_3.png":  # the camera is set to another size while the batch goes on
            Image.fromarray(pages[0, :, 1:]).save(folder / "img_9.png")

    pipeline.before = before
    assert scorrnet("batch", folder).exit_code == 6
    field = read_hdf5(folder / "scorrnet.h5")
    (bad,) = [info for info in field.deformed if info.failure]
    assert bad.name == "img_9.png"
    assert "59 x 40 px" in bad.failure
    assert [info.name for info in field.deformed[-3:]] == ["img_20.tif[0]", "img_20.tif[1]", "img_20.tif[2]"]


def test_pages_behind_a_damaged_one_are_measured(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    pages = np.random.default_rng(0).random((5, 40, 60)).astype(np.float32)
    pages[2, 0, 0] = np.nan
    tifffile.imwrite("a.tif", pages, photometric="minisblack")
    assert scorrnet("batch", "a.tif").exit_code == 6
    deformed = read_hdf5("a.scorrnet.h5").deformed
    assert ["not a number" in info.failure for info in deformed] == [False, True, False, False]
    assert [info.name for info in deformed] == [f"a.tif[{page}]" for page in (1, 2, 3, 4)]


def test_a_bad_reference_leaves_nothing(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    Image.new("L", (60, 40)).save(folder / "img_0.png")
    assert scorrnet("batch", folder).exit_code == 6
    (folder / "img_0.png").write_bytes(b"no image")
    assert scorrnet("batch", folder).exit_code == 3
    assert not list(folder.glob("scorrnet*"))


# -- runs that are stopped ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (ZeroDivisionError(), 1), (MemoryError(), 5)])
def test_what_was_measured_is_kept_and_the_run_goes_on(
    folder: Path,
    scorrnet: Run,
    pipeline: Any,
    contents: Read,
    whole: dict[str, Any],
    error: BaseException,
    code: int,
) -> None:
    stop_at(pipeline, "img_7.png", error)
    result = scorrnet("batch", folder)
    assert result.exit_code == code
    assert not (folder / "scorrnet.h5").exists()
    so_far = read_hdf5(parts(folder) / "so_far.h5")
    assert [info.name for info in so_far.deformed] == [*(f"img_{n}.png" for n in range(1, 7)), *5 * [""]]
    assert so_far.valid.any(axis=(1, 2)).tolist() == 6 * [True] + 5 * [False]
    assert np.isnan(so_far.u[6:]).all()
    if code == 130:
        assert "is kept in" in result.stderr
        assert "Interrupted" in result.stderr
    go_on(pipeline)
    refused = scorrnet("batch", folder)
    assert (refused.exit_code, "--resume" in refused.stderr) == (7, True)
    (sequence,) = json.loads(scorrnet("batch", folder, "--resume", "--json").stdout)["sequences"]
    assert sequence["resumed"] == 6
    assert len(sequence["frames"]) == 11
    assert pipeline.measured == [f"img_{n}.png" for n in range(7, 12)]
    assert contents(folder / "scorrnet.h5") == whole
    assert not parts(folder).exists()


def test_images_that_are_named_one_by_one_are_kept_too(
    folder: Path, scorrnet: Run, pipeline: Any, whole: Any, contents: Read
) -> None:
    names = [folder / f"img_{number}.png" for number in range(12)]
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    stopped = scorrnet("measure", *names, "-o", "out.h5")
    assert stopped.exit_code == 130
    assert "kept in out.h5.parts; --resume goes on with it" in stopped.stderr
    go_on(pipeline)
    refused = scorrnet("measure", *names, "-o", "out.h5")
    assert (refused.exit_code, pipeline.measured) == (7, [])
    assert "--resume" in refused.stderr and "--overwrite" in refused.stderr
    assert scorrnet("measure", *names, "-o", "out.h5", "--resume").exit_code == 0
    assert pipeline.measured[-1] == "img_11.png" and len(pipeline.measured) <= 6  # one may have waited to be written
    assert contents(Path("out.h5")) == whole
    assert not Path("out.h5.parts").exists()
    again = scorrnet("measure", *names, "-o", "out.h5", "--resume")
    assert again.exit_code == 0 and "has been measured to its end before, see out.h5" in again.stderr


def test_a_pair_may_take_the_place_of_a_run_that_was_stopped(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    pair = [folder / "img_0.png", folder / "img_1.png"]
    stop_at(pipeline, "img_3.png", KeyboardInterrupt())
    assert scorrnet("measure", *pair, folder / "img_2.png", folder / "img_3.png", "-o", "out.h5").exit_code == 130
    go_on(pipeline)
    assert scorrnet("measure", *pair, "-o", "out.h5").exit_code == 7
    assert scorrnet("measure", *pair, "-o", "out.h5", "--overwrite").exit_code == 0
    assert not Path("out.h5.parts").exists()
    assert len(read_hdf5("out.h5").deformed) == 1


def test_overwrite_begins_anew(folder: Path, scorrnet: Run, pipeline: Any, whole: Any, contents: Read) -> None:
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    go_on(pipeline)
    assert scorrnet("batch", folder, "--overwrite").exit_code == 0
    assert len(pipeline.measured) == 11
    assert contents(folder / "scorrnet.h5") == whole


def test_a_run_that_overwrites_goes_on(folder: Path, scorrnet: Run, pipeline: Any, whole: Any, contents: Read) -> None:
    (folder / "scorrnet.h5").write_text("old")
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    stopped = scorrnet("batch", folder, "--overwrite")
    assert (stopped.exit_code, "--resume --overwrite goes on with it" in stopped.stderr) == (130, True)
    assert (folder / "scorrnet.h5").read_text() == "old"
    go_on(pipeline)
    for flags in ((), ("--resume",)):
        result = scorrnet("batch", folder, *flags)
        assert (result.exit_code, "Go on with it with --resume --overwrite" in result.stderr) == (7, True)
    assert scorrnet("batch", folder, "--resume", "--overwrite").exit_code == 0
    assert len(pipeline.measured) == 5
    assert contents(folder / "scorrnet.h5") == whole


@pytest.mark.parametrize(
    ("flags", "made"),
    [
        ((), "images/scorrnet.h5"),
        (("-o", "a.ome.tif"), "a.ome.tif"),
        (("-o", "a.h5", "--split"), "a.frames"),
    ],
)
def test_resume_of_a_result_that_is_whole_leaves_it(
    folder: Path, scorrnet: Run, pipeline: Any, flags: tuple[str, ...], made: str
) -> None:
    assert scorrnet("batch", "images", "--resume", *flags).exit_code == 0  # without an earlier run it is a run
    written = Path(made).stat().st_mtime_ns
    go_on(pipeline)
    result = scorrnet("batch", "images", "--resume", *flags)
    assert (result.exit_code, result.stdout) == (0, "")
    said = f"images has been measured to its end before, see {made}; its images are not looked at again"
    assert result.stderr == f"scorrnet: {said}\n"
    assert not pipeline.measured
    assert Path(made).stat().st_mtime_ns == written
    assert json.loads(scorrnet("batch", "images", "--resume", *flags, "--json").stdout)["sequences"] == []


def test_resume_takes_nothing_else_for_the_result(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    for name in ("scorrnet.h5", "mine.tif"):
        (folder / name).write_text("mine")
        result = scorrnet("batch", folder, "--pattern", "*.png", "--resume", "-o", folder / name)
        assert (result.exit_code, "exists already" in result.stderr) == (7, True)
        (folder / name).unlink()
    assert scorrnet("batch", folder).exit_code == 0
    result = scorrnet("batch", folder, "--resume", "--watch", "--idle", "0.3")  # which has no end to be known
    assert (result.exit_code, "exists already" in result.stderr) == (7, True)


def test_nothing_is_left_of_a_run_that_measured_nothing(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    stop_at(pipeline, "img_1.png", KeyboardInterrupt())
    result = scorrnet("batch", folder)
    assert (result.exit_code, "kept" in result.stderr) == (130, False)
    assert not list(folder.glob("scorrnet*"))


def test_a_run_with_bad_frames_goes_on(folder: Path, scorrnet: Run, pipeline: Any, contents: Read) -> None:
    for number in (2, 9):
        Image.new("L", (60, 40), number).save(folder / f"img_{number}.png")
    assert scorrnet("batch", folder, "-o", "whole.h5").exit_code == 6
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder, "-o", "out.h5").exit_code == 130
    go_on(pipeline)
    assert scorrnet("batch", folder, "-o", "out.h5", "--resume").exit_code == 6
    assert contents(Path("out.h5")) == contents(Path("whole.h5"))
    again = scorrnet("batch", folder, "-o", "out.h5", "--resume")
    assert (again.exit_code, "2 of the frames could not be measured then" in again.stderr) == (6, True)
    assert "--overwrite" in again.stderr


@pytest.mark.parametrize("options", [("-o", "a.tif"), ("-o", "a.ome.tif"), ("--split",), ("--split", "-o", "a.tif")])
def test_bad_frames_of_every_kind_of_result_are_told_of_again(
    folder: Path, scorrnet: Run, pipeline: Any, options: tuple[str, ...]
) -> None:
    Image.new("L", (60, 40), 2).save(folder / "img_2.png")
    assert scorrnet("batch", folder, *options).exit_code == 6
    again = scorrnet("batch", folder, *options, "--resume")
    assert (again.exit_code, "1 of the frames could not be measured then" in again.stderr) == (6, True)


def test_bad_frames_of_a_folder_that_is_over_are_told_of_when_others_go_on(
    folder: Path, scorrnet: Run, pipeline: Any, draw: Draw
) -> None:
    campaign = folder.parent / "campaign"
    for name in ("one", "two"):
        (campaign / name).mkdir(parents=True)
        for number in range(3):
            draw(campaign / name / f"img_{number}.png", number)
    Image.new("L", (60, 40), 2).save(campaign / "one" / "img_2.png")
    assert scorrnet("batch", campaign, "--recursive").exit_code == 6
    (campaign / "two" / "scorrnet.h5").unlink()
    again = scorrnet("batch", campaign, "--recursive", "--resume")
    assert (again.exit_code, "1 of the frames could not be measured then" in again.stderr) == (6, True)
    assert (campaign / "two" / "scorrnet.h5").exists()


def test_a_bad_frame_that_was_replaced_is_measured_again(
    folder: Path, scorrnet: Run, pipeline: Any, draw: Draw, whole: Any, contents: Read
) -> None:
    Image.new("L", (60, 40), 2).save(folder / "img_2.png")
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    draw(folder / "img_2.png", 2)
    go_on(pipeline)
    assert scorrnet("batch", folder, "--resume").exit_code == 0
    assert pipeline.measured == [f"img_{n}.png" for n in (2, *range(7, 12))]
    assert contents(folder / "scorrnet.h5") == whole


def test_who_is_late_writes_nothing_into_the_next_run(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    assert scorrnet("batch", folder, "--split").exit_code == 0
    one = read_hdf5(min((folder / "scorrnet.frames").iterdir()))

    def run() -> Parts:
        made = Parts(folder / "late.h5", one.reference, (one.shape[1], one.shape[2]), one.process)
        made.begin(2)
        return made

    late = run()
    late.keep(0, one, 0.0)
    late.close()
    later = run()
    with pytest.raises(OutputError, match="Another run"):
        late.write(1, one, 0.0)
    assert later.count() == 0
    later.keep(1, one, 0.0)
    assert later.count() == 1
    later.remove()


def test_lost_figures_are_taken_from_the_frames(folder: Path, scorrnet: Run, pipeline: Any, whole: Any) -> None:
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    figures = parts(folder) / "figures.jsonl"
    figures.write_text(figures.read_text()[:-150])
    shutil.copy(parts(folder) / "000000.h5", parts(folder) / ".scorrnet-0.part")
    go_on(pipeline)
    (sequence,) = json.loads(scorrnet("batch", folder, "--resume", "--json").stdout)["sequences"]
    assert len(pipeline.measured) == 5
    assert all(frame["u_px"]["median"] > 0 for frame in sequence["frames"])


def test_a_broken_line_of_figures_costs_no_other(folder: Path, scorrnet: Run, pipeline: Any, whole: Any) -> None:
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    figures = parts(folder) / "figures.jsonl"
    figures.write_text(figures.read_text()[:-150])
    stop_at(pipeline, "img_10.png", KeyboardInterrupt())
    assert scorrnet("batch", folder, "--resume").exit_code == 130
    *lines, _ = figures.read_text().split("\n")
    kept = [json.loads(line)["index"] for line in lines if line.endswith("}")]
    assert len(kept) == len(set(kept)) == len(list(parts(folder).glob("[0-9]*.h5"))) - 1
    assert len(lines) == len(kept) + 1


def test_nobody_goes_on_with_a_run_that_is_being_removed(
    folder: Path, scorrnet: Run, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    go_on(pipeline)
    removed: list[tuple[str, bool]] = []

    def noted(path: Path) -> None:
        if path.is_dir():
            removed.append((path.name, (parts(folder) / "run.json").exists()))
        remove(path)

    monkeypatch.setattr("scorrnet_cli.batch.parts.remove", noted)
    assert scorrnet("batch", folder, "--overwrite").exit_code == 0
    assert removed[0] == (".scorrnet-old-scorrnet.h5.parts", False)
    assert not list(folder.glob(".scorrnet*"))


@pytest.mark.usefixtures("pipeline")
def test_shards_of_the_result_before_stay_if_the_new_view_cannot_be_written(
    folder: Path, scorrnet: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert scorrnet("batch", folder, "--split").exit_code == 0
    old = (folder / "scorrnet.frames").rename(folder / "scorrnet.h5.shards")
    shards = sorted(old.iterdir())
    one = read_hdf5(shards[0])
    header = Header(one.shape[1:], len(shards), one.reference, one.process)
    write_view(folder / "scorrnet.h5", header, [f"{old.name}/{path.name}" for path in shards])
    before = read_hdf5(folder / "scorrnet.h5").u

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    made = Parts(folder / "scorrnet.h5", one.reference, (one.shape[1], one.shape[2]), one.process)
    made.begin(1)
    summary = made.keep(0, one, 0.0)
    monkeypatch.setattr("scorrnet_cli.batch.whole.write_view", full)
    with pytest.raises(OutputError, match="The disk is full"):
        complete(made, folder / "scorrnet.h5", [summary], split=False, shards=True)
    made.close()
    np.testing.assert_array_equal(read_hdf5(folder / "scorrnet.h5").u, before)
    assert not list(folder.glob(".scorrnet*"))


def test_a_failed_frame_stays_one_if_its_figures_are_lost(
    folder: Path, scorrnet: Run, pipeline: Any, draw: Draw, whole: Any, contents: Read
) -> None:
    Image.new("L", (60, 40), 2).save(folder / "img_2.png")
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    kept = shutil.copytree(parts(folder), folder / "kept")
    for each in (parts(folder), kept):
        (each / "figures.jsonl").unlink()
    go_on(pipeline)
    result = scorrnet("batch", folder, "--resume")
    assert (result.exit_code, "1 of 11 frames" in result.stderr) == (6, True)
    (folder / "scorrnet.h5").unlink()
    kept.rename(parts(folder))
    draw(folder / "img_2.png", 2)
    go_on(pipeline)
    assert scorrnet("batch", folder, "--resume").exit_code == 0
    assert pipeline.measured == [f"img_{n}.png" for n in (2, *range(7, 12))]
    assert contents(folder / "scorrnet.h5") == whole


def test_a_campaign_goes_on_in_the_folder_where_it_was_stopped(
    folder: Path, scorrnet: Run, pipeline: Any, draw: Draw
) -> None:
    draw_campaign(folder, draw, "b", "c")
    stop_at(pipeline, "b_2.png", KeyboardInterrupt())
    assert scorrnet("batch", folder, "--recursive").exit_code == 130
    go_on(pipeline)
    assert scorrnet("batch", folder, "--recursive").exit_code == 7
    assert not pipeline.measured
    result = scorrnet("batch", folder, "--recursive", "--resume")
    assert (result.exit_code, "1 of 3 folders" in result.stderr) == (0, True)
    assert pipeline.measured == ["b_2.png", "c_1.png", "c_2.png"]
    go_on(pipeline)
    result = scorrnet("batch", folder, "--recursive", "--resume", "--json")
    assert (result.exit_code, json.loads(result.stdout)["sequences"]) == (0, [])
    assert not pipeline.measured


def test_a_folder_of_another_run_does_not_stop_the_others(
    folder: Path, scorrnet: Run, draw: Draw, pipeline: Any
) -> None:
    draw_campaign(folder, draw, "a", "b")
    stop_at(pipeline, "a_2.png", KeyboardInterrupt())
    assert scorrnet("batch", folder, "--recursive", "--resume").exit_code == 130
    go_on(pipeline)
    result = scorrnet("batch", folder, "--recursive", "--resume", "--strain", "--json")
    assert (result.exit_code, "a could not be measured" in result.stderr) == (6, True), result.stderr
    assert [Path(each["output"]).parent for each in json.loads(result.stdout)["sequences"]] == [folder / "b"]


@pytest.mark.usefixtures("pipeline")
def test_a_run_that_begins_at_the_same_moment_is_left_alone(
    folder: Path, scorrnet: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_begins(path: Path) -> None:
        path.mkdir()
        (path / "run.json").write_text("of the other")

    monkeypatch.setattr("scorrnet_cli.batch.parts.remove", other_begins)
    result = scorrnet("batch", folder)
    assert (result.exit_code, "at this moment" in result.stderr) == (7, True), result.stderr
    assert (parts(folder) / "run.json").read_text() == "of the other"


def test_points_per_second_are_those_of_this_run(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    last = sorted(path.name for path in folder.glob("*.png"))[-1]
    stop_at(pipeline, last, KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    go_on(pipeline)
    result = scorrnet("batch", folder, "--resume", "--json")
    (sequence,) = json.loads(result.stdout)["sequences"]
    valid = read_hdf5(folder / "scorrnet.h5").valid
    assert len(pipeline.measured) < len(valid)
    points = valid[-len(pipeline.measured) :].sum()
    assert sequence["points_per_s"] * sequence["time_s"] == pytest.approx(points)


def test_a_place_that_is_taken_is_told_of_before_anything_is_measured(
    folder: Path, scorrnet: Run, pipeline: Any, draw: Draw
) -> None:
    (folder / "z").mkdir()
    for number in range(3):
        draw(folder / "z" / f"{number}.png", number)
    (folder / "z" / "scorrnet.h5").write_text("mine")
    result = scorrnet("batch", folder, "--recursive")
    assert (result.exit_code, "exists already" in result.stderr) == (7, True)
    assert not pipeline.measured


def test_what_a_run_needs_itself_is_not_merged(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    assert scorrnet("merge", parts(folder) / "so_far.h5").exit_code == 2
    for missing in range(6, 11):
        shutil.copy(parts(folder) / "000000.h5", parts(folder) / f"{missing:06d}.h5")
    result = scorrnet("merge", parts(folder) / "so_far.h5", "--copy")
    assert (result.exit_code, "has not ended" in result.stderr) == (2, True)
    assert len(list(parts(folder).glob("[0-9]*.h5"))) == 11


def test_a_run_killed_while_it_put_its_result_in_place(
    folder: Path, scorrnet: Run, pipeline: Any, whole: Any, contents: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    def complete_and_die(*arguments: Any, **options: Any) -> Path:
        complete(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("scorrnet_cli.batch.around.complete", complete_and_die)
        assert scorrnet("batch", folder).exit_code == 130
    assert (folder / "scorrnet.h5").exists()
    assert parts(folder).exists()
    go_on(pipeline)
    assert scorrnet("batch", folder, "--resume").exit_code == 0
    assert not pipeline.measured
    assert not parts(folder).exists()
    assert contents(folder / "scorrnet.h5") == whole


def test_two_runs_do_not_work_on_the_same(folder: Path, scorrnet: Run, pipeline: Any, contents: Read) -> None:
    refusals: list[Result] = []

    def before(frame: Frame) -> None:
        if frame.info.name == "img_5.png":
            pipeline.before = lambda frame: None
            refusals.extend(scorrnet("batch", folder, flag) for flag in ("--resume", "--overwrite"))

    pipeline.before = before
    assert scorrnet("batch", folder).exit_code == 0
    assert [result.exit_code for result in refusals] == [7, 7]
    assert all("Another run is at work" in result.stderr for result in refusals)


def test_a_folder_of_that_name_that_is_someone_elses_is_left_alone(folder: Path, scorrnet: Run, pipeline: Any) -> None:
    parts(folder).mkdir()
    (parts(folder) / "thesis.tex").write_text("mine")
    result = scorrnet("batch", folder, "--overwrite")
    assert (result.exit_code, "thesis.tex" in result.stderr) == (7, True)
    assert (parts(folder) / "thesis.tex").read_text() == "mine"


# -- what must be the same ---------------------------------------------------------------------------------------


def test_another_way_of_measuring_is_refused(
    folder: Path, scorrnet: Run, pipeline: Any, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (60, 40), 255).save("mask.png")
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder, "--mask", "mask.png").exit_code == 130
    go_on(pipeline)

    def refused(*flags: str) -> str:
        result = scorrnet("batch", folder, "--mask", "mask.png", "--resume", *flags)
        assert result.exit_code == 2, result.stderr
        assert not pipeline.measured
        return result.stderr

    assert "differs in window px: none then, 6.0 now" in refused("--window", "6")
    assert "differs in refine: yes then, no now" in refused("--no-refine")
    assert "differs in reference" in refused("--start", "1")
    assert "more than the 3 of now" in refused("--stop", "4")
    mask = Path("mask.png").read_bytes()
    Image.new("L", (60, 40), 254).save("mask.png")
    assert "differs in mask" in refused()
    Path("mask.png").write_bytes(mask)
    with monkeypatch.context() as patched:
        before = pipeline.load

        def load(settings: Any) -> Any:
            instruments = before(settings)
            instruments.device = "cuda:0"
            return instruments

        patched.setattr(pipeline, "load", load)
        assert "differs in device: cpu then, cuda:0 now" in refused()
    assert scorrnet("batch", folder, "--mask", "mask.png", "--resume").exit_code == 0


def test_other_images_are_refused(folder: Path, scorrnet: Run, pipeline: Any, draw: Draw) -> None:
    stop_at(pipeline, "img_7.png", KeyboardInterrupt())
    assert scorrnet("batch", folder).exit_code == 130
    go_on(pipeline)
    before = (folder / "img_3.png").read_bytes()
    draw(folder / "img_3.png", 30)
    result = scorrnet("batch", folder, "--resume")
    assert (result.exit_code, "Frame 2 was measured in img_3.png" in result.stderr) == (3, True)
    (folder / "img_3.png").unlink()
    result = scorrnet("batch", folder, "--resume")
    assert (result.exit_code, "but now is img_4.png" in result.stderr) == (3, True)
    (folder / "img_3.png").write_bytes(before)
    draw(folder / "img_12.png", 12)  # the camera has gone on, and so may we
    assert scorrnet("batch", folder, "--resume").exit_code == 0
    assert len(read_hdf5(folder / "scorrnet.h5").deformed) == 12


# -- disks that get full -----------------------------------------------------------------------------------------


def test_a_full_disk_keeps_the_frames_up_to_then(
    folder: Path, scorrnet: Run, pipeline: Any, small_disk: Path, whole: Any, contents: Read
) -> None:
    result = scorrnet("batch", folder, "-o", small_disk / "scorrnet.h5")
    assert result.exit_code == 7
    assert "The disk is full" in result.stderr
    so_far = read_hdf5(parts(small_disk) / "so_far.h5")
    done = so_far.valid.any(axis=(1, 2))
    assert 0 < done.sum() < 11
    assert (np.diff(done.astype(int)) <= 0).all()
    roomy = folder / "roomy"
    shutil.copytree(small_disk, roomy)
    go_on(pipeline)
    assert scorrnet("batch", folder, "-o", roomy / "scorrnet.h5", "--resume").exit_code == 0
    assert len(pipeline.measured) == 11 - done.sum()
    assert contents(roomy / "scorrnet.h5") == whole


@pytest.mark.parametrize("part", ["000004.h5", "whole.h5"])
def test_a_disk_that_is_full_at_any_moment(
    folder: Path,
    scorrnet: Run,
    pipeline: Any,
    whole: Any,
    contents: Read,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    replace = Path.replace

    def refuse(source: Path, target: Path) -> Path:
        if Path(target).name == part:
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        result = scorrnet("batch", folder)
    assert (result.exit_code, "The disk is full" in result.stderr) == (7, True)
    assert not (folder / "scorrnet.h5").exists()
    go_on(pipeline)
    assert scorrnet("batch", folder, "--resume").exit_code == 0
    assert len(pipeline.measured) == (7 if part == "000004.h5" else 0)
    assert contents(folder / "scorrnet.h5") == whole


def test_frames_put_together_on_a_full_disk_leave_nothing_half_made(
    folder: Path, scorrnet: Run, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0
    take = Writer.take

    def refuse(writer: Writer, shard: Path) -> None:
        nonlocal written
        written += 1
        if written == 3:
            raise OutputError("The disk is full")
        take(writer, shard)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "take", refuse)
        full = scorrnet("batch", folder, "-o", folder / "out.tif", "--split")
        assert (full.exit_code, "The disk is full" in full.stderr) == (7, True), full.stderr
    assert not (folder / "out.tif.parts" / "whole").exists()
    assert scorrnet("batch", folder, "-o", folder / "out.tif", "--split", "--resume").exit_code == 0
