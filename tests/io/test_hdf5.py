"""HDF5 results come back as they were, and silx and VTK see the same values in them."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.field import Field, Process
from scorrnet_cli.settings import Settings
from scorrnet_cli.writers import Header, open_writer, read_hdf5, read_process, write_view

MakeField = Callable[[int, int, int], Field]
FLOATS = ("u", "v", "zncc", "sigma_u", "sigma_v")
FLAGS = ("mask", "valid", "fallback")
T, H, W = 3, 40, 56


def write(path: Path, *parts: Field) -> None:
    """Write parts of one result one after the other."""
    first = parts[0]
    header = Header(first.shape[1:], sum(part.shape[0] for part in parts), first.reference, first.process)
    with open_writer(path, header) as writer:
        for part in parts:
            writer.append(part)


def cut(field: Field, where: slice) -> Field:
    arrays = {name: getattr(field, name)[where] for name in (*FLOATS, *FLAGS)}
    return replace(field, deformed=field.deformed[where], **arrays)


def assert_equal(first: Field, second: Field) -> None:
    for name in (*FLOATS, *FLAGS):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), strict=True)
    assert first.reference == second.reference
    assert first.deformed == second.deformed
    assert first.process == second.process


@pytest.fixture
def field(make_field: MakeField) -> Field:
    return make_field(T, H, W)


@pytest.fixture
def result(tmp_path: Path, field: Field) -> Path:
    write(tmp_path / "a.h5", field)
    return tmp_path / "a.h5"


@pytest.mark.parametrize("suffix", [".h5", ".hdf5"])
def test_everything_comes_back(tmp_path: Path, field: Field, suffix: str) -> None:
    infos = tuple(replace(info, reference_frame=index - 1) for index, info in enumerate(field.deformed))
    field = replace(field, deformed=infos)
    write(tmp_path / f"a{suffix}", field)
    assert_equal(read_hdf5(tmp_path / f"a{suffix}"), field)
    assert read_process(tmp_path / f"a{suffix}").settings == field.process.settings


def test_default_settings_and_no_weights_come_back(tmp_path: Path, field: Field) -> None:
    field = replace(field, process=Process("1", "2026-01-01T00:00:00+00:00", "cpu", {}, Settings()))
    write(tmp_path / "a.h5", field)
    assert_equal(read_hdf5(tmp_path / "a.h5"), field)


def test_one_frame_comes_back(tmp_path: Path, make_field: MakeField) -> None:
    write(tmp_path / "a.h5", make_field(1, H, W))
    assert_equal(read_hdf5(tmp_path / "a.h5"), make_field(1, H, W))


@pytest.mark.parametrize("sizes", [(1, 1, 1), (2, 1), (1, 2)])
def test_frame_by_frame_is_the_same_as_all_at_once(tmp_path: Path, field: Field, sizes: tuple[int, ...]) -> None:
    starts = np.cumsum((0, *sizes))
    write(tmp_path / "a.h5", *(cut(field, slice(a, b)) for a, b in itertools.pairwise(starts)))
    assert_equal(read_hdf5(tmp_path / "a.h5"), field)


def test_layout(result: Path, field: Field) -> None:
    with h5py.File(result) as file:
        assert dict(file.attrs) == {"NX_class": "NXroot", "default": "entry"}
        assert dict(file["entry"].attrs) == {
            "NX_class": "NXentry",
            "default": "displacement",
            "format_version": 2,
        }
        data = file["entry/displacement"]
        assert data.attrs["NX_class"] == "NXdata"
        assert data.attrs["signal"] == "u"
        assert list(data.attrs["auxiliary_signals"]) == ["v"]
        assert list(data.attrs["axes"]) == ["frame", "y", "x"]
        for name in FLOATS:
            assert (data[name].dtype, data[name].shape) == (np.dtype("<f4"), (T, H, W))
            assert np.isnan(data[name].fillvalue)
        for name in FLAGS:
            assert (data[name].dtype, data[name].shape) == (np.dtype("u1"), (T, H, W))
            np.testing.assert_array_equal(data[name][...], getattr(field, name))
        for name in (*FLOATS, *FLAGS):
            assert data[name].chunks == (1, H, W)
            assert (data[name].compression, data[name].shuffle) == ("gzip", True)
        assert {data[name].attrs["units"] for name in ("u", "v", "sigma_u", "sigma_v", "x", "y")} == {"px"}
        for name, size in (("frame", T), ("y", H), ("x", W)):
            np.testing.assert_array_equal(data[name][...], np.arange(size))
        frames = file["entry/frames"]
        assert frames["reference/name"].asstr()[()] == "Referenz ä.tif"
        assert list(frames["deformed/sha256"].asstr()[...]) == [info.sha256 for info in field.deformed]
        process = file["entry/process"]
        assert process.attrs["NX_class"] == "NXprocess"
        assert process["program"].asstr()[()] == "scorrnet"
        assert json.loads(process["settings"].asstr()[()])["window_px"] == 5.5


def test_vtk_arrays_are_links_and_no_copies(tmp_path: Path, make_field: MakeField, result: Path) -> None:
    write(tmp_path / "still.h5", make_field(1, H, W))
    with h5py.File(tmp_path / "still.h5") as file:
        assert "Steps" not in file["VTKHDF"]
        assert all(array.is_virtual for array in file["VTKHDF/PointData"].values())
    with h5py.File(result) as file:
        points = file["VTKHDF/PointData"]
        assert sorted(points) == sorted((*FLOATS, *FLAGS))
        for name in points:
            assert points[name] == file[f"entry/displacement/{name}"]


def test_silx_plots_the_displacement(result: Path, field: Field) -> None:
    nxdata = pytest.importorskip("silx.io.nxdata")
    with h5py.File(result) as file:
        default = nxdata.get_default(file)
        assert default is not None
        assert default.is_valid
        assert default.signal_dataset_name == "u"
        np.testing.assert_array_equal(default.signal[...], field.u)
        assert default.auxiliary_signals_dataset_names == ["v"]
        np.testing.assert_array_equal(default.auxiliary_signals[0][...], field.v)
        assert default.axes_dataset_names == ["frame", "y", "x"]
        for axis, size in zip(default.axes, (T, H, W), strict=True):
            np.testing.assert_array_equal(axis[...], np.arange(size))
        assert default.interpretation == "image"


def vtk_reader(path: Path) -> Any:
    reader = pytest.importorskip("vtkmodules.vtkIOHDF").vtkHDFReader()
    assert reader.CanReadFile(str(path))
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    return reader


@pytest.mark.parametrize("frames", [1, 3])
def test_vtk_reads_every_array_of_every_time_step(tmp_path: Path, make_field: MakeField, frames: int) -> None:
    field = make_field(frames, H, W)
    write(tmp_path / "a.h5", field)
    reader = vtk_reader(tmp_path / "a.h5")
    vtk_to_numpy = pytest.importorskip("vtkmodules.util.numpy_support").vtk_to_numpy
    assert reader.GetNumberOfSteps() == frames
    # Not in order, lest a reader that ignores the step passes.
    for step in reversed(range(frames)):
        reader.UpdateTimeStep(float(step))
        image = reader.GetOutputDataObject(0)
        assert image.GetDimensions() == (W, H, 1)
        points = image.GetPointData()
        names = [points.GetArrayName(index) for index in range(points.GetNumberOfArrays())]
        assert sorted(names) == sorted((*FLOATS, *FLAGS))
        for name in names:
            values = vtk_to_numpy(points.GetArray(name)).reshape(H, W)
            np.testing.assert_array_equal(values, getattr(field, name)[step])
        assert vtk_to_numpy(points.GetArray("valid")).dtype == np.uint8


def test_vtk_has_y_down(result: Path) -> None:
    reader = vtk_reader(result)
    reader.Update()
    image = reader.GetOutputDataObject(0)
    x, y = 5, 7
    assert image.GetPoint(y * W + x) == (x, -y, 0)
    matrix = image.GetDirectionMatrix()
    assert matrix.Determinant() == 1


@pytest.mark.parametrize("read", [read_hdf5, read_process])
def test_what_is_no_result_is_refused(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    def refused(name: str) -> str:
        with pytest.raises(UsageError) as caught:
            read(tmp_path / name)
        assert name in str(caught.value)
        return str(caught.value)

    assert "no such result" in refused("missing.h5")
    (tmp_path / "text.h5").write_text("no HDF5")
    assert "This is no HDF5 file" in refused("text.h5")
    (tmp_path / "folder.h5").mkdir()
    assert "This is a folder" in refused("folder.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = 1
    assert "not a whole HDF5 result" in refused("other.h5")


def test_newer_and_damaged_results_are_refused(result: Path) -> None:
    with h5py.File(result, "r+") as file:
        file["entry"].attrs["format_version"] = 3
    with pytest.raises(UsageError, match=r"has format 3, .*a\.h5.*Update scorrnet"):
        read_hdf5(result)
    with h5py.File(result, "r+") as file:
        file["entry"].attrs["format_version"] = 1
        del file["entry/displacement/zncc"]
    with pytest.raises(UsageError, match=r"not a whole HDF5 result.*zncc"):
        read_hdf5(result)
    content = result.read_bytes()
    result.write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match="not a whole HDF5 result"):
        read_hdf5(result)


def test_settings_of_another_version_are_named(result: Path) -> None:
    with h5py.File(result, "r+") as file:
        del file["entry/process/settings"]
        file["entry/process/settings"] = json.dumps({"subset_px": 21})
    with pytest.raises(UsageError, match=r"Unknown setting 'subset_px' \(.*a\.h5"):
        read_process(result)


# -- results made of others ---------------------------------------------------------------------------------------


def singles(folder: Path, field: Field) -> list[Path]:
    """Write each frame of a field to a file of its own; the second is a failure."""
    paths = []
    for index in range(field.shape[0]):
        path = folder / f"{index}.h5"
        write(path, cut(field, slice(index, index + 1)))
        paths.append(path)
    return paths


@pytest.fixture
def partly_failed(field: Field) -> Field:
    infos = list(field.deformed)
    infos[1] = replace(infos[1], failure="Zu dunkel ä")
    return replace(field, deformed=tuple(infos))


def test_why_a_frame_failed_comes_back(tmp_path: Path, partly_failed: Field) -> None:
    write(tmp_path / "a.h5", partly_failed)
    assert_equal(read_hdf5(tmp_path / "a.h5"), partly_failed)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["entry/frames/deformed/status"][...].tolist() == [1, 2, 1]
        assert file["entry/frames/deformed/reason"].asstr()[1] == "Zu dunkel ä"


def test_results_without_reasons_are_read(result: Path, field: Field) -> None:
    with h5py.File(result, "r+") as file:
        del file["entry/frames/deformed/status"], file["entry/frames/deformed/reason"]
    assert_equal(read_hdf5(result), field)


def test_frames_taken_from_files_are_the_same_as_those_written(tmp_path: Path, partly_failed: Field) -> None:
    write(tmp_path / "a.h5", partly_failed)
    header = Header((H, W), T, partly_failed.reference, partly_failed.process)
    with open_writer(tmp_path / "b.h5", header) as writer:
        for path in singles(tmp_path, partly_failed):
            writer.take(path)
    assert_equal(read_hdf5(tmp_path / "b.h5"), partly_failed)
    with h5py.File(tmp_path / "a.h5") as one, h5py.File(tmp_path / "b.h5") as two:
        for name in (*FLOATS, *FLAGS):
            arrays = [file[f"entry/displacement/{name}"] for file in (one, two)]
            for index in range(T):
                first, second = (array.id.read_direct_chunk((index, 0, 0)) for array in arrays)
                assert first == second


def test_a_stack_is_taken_as_a_whole(tmp_path: Path, result: Path, field: Field) -> None:
    header = Header((H, W), 2 * T, field.reference, field.process)
    for name in ("b.h5", "b.tif"):
        with open_writer(tmp_path / name, header) as writer:
            writer.take(result)
            writer.append(field)
    assert_equal(cut(read_hdf5(tmp_path / "b.h5"), slice(0, T)), field)
    assert_equal(cut(read_hdf5(tmp_path / "b.h5"), slice(T, None)), field)
    stack = tifffile.imread(tmp_path / "b.tif")
    np.testing.assert_array_equal(stack[:T], np.stack([field.u, field.v], axis=1))


def test_a_view_shows_other_files_and_what_is_missing_as_nan(tmp_path: Path, partly_failed: Field) -> None:
    paths = singles(tmp_path, partly_failed)
    header = Header((H, W), T, partly_failed.reference, partly_failed.process)
    write_view(tmp_path / "view.h5", header, [path.name for path in paths])
    assert_equal(read_hdf5(tmp_path / "view.h5"), partly_failed)
    assert (tmp_path / "view.h5").stat().st_size < paths[0].stat().st_size * T
    silx = pytest.importorskip("silx.io.nxdata")
    with h5py.File(tmp_path / "view.h5") as file:
        assert silx.get_default(file).is_valid
    reader = vtk_reader(tmp_path / "view.h5")
    vtk_to_numpy = pytest.importorskip("vtkmodules.util.numpy_support").vtk_to_numpy
    reader.UpdateTimeStep(2.0)
    values = vtk_to_numpy(reader.GetOutputDataObject(0).GetPointData().GetArray("u"))
    np.testing.assert_array_equal(values.reshape(H, W), partly_failed.u[2])
    paths[2].unlink()
    with pytest.raises(OutputError, match=rf"1 of 3 shards are missing \({re.escape(str(paths[2]))}\)"):
        read_hdf5(tmp_path / "view.h5")
    (tmp_path / "run.json").touch()  # of a run that has not come to it yet
    missing = read_hdf5(tmp_path / "view.h5")
    assert_equal(cut(missing, slice(0, 2)), cut(partly_failed, slice(0, 2)))
    assert np.isnan(missing.u[2]).all()
    assert not missing.mask[2].any()
    with h5py.File(tmp_path / "view.h5") as file:
        assert file["entry/frames/deformed/status"][...].tolist() == [1, 2, 0]


def test_a_link_to_a_view_shows_what_lies_beside_the_view(tmp_path: Path, field: Field) -> None:
    (tmp_path / "there").mkdir()
    paths = singles(tmp_path / "there", field)
    header = Header((H, W), T, field.reference, field.process)
    write_view(tmp_path / "there" / "view.h5", header, [path.name for path in paths])
    (tmp_path / "link.h5").symlink_to(tmp_path / "there" / "view.h5")
    assert_equal(read_hdf5(tmp_path / "link.h5"), field)
