"""Exports say what the result says, seen through the real readers of their formats."""

from __future__ import annotations

import csv
import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.io.test_writers import file_size_limit

from scorrnet_cli.cli.export import Name
from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.exporters import FORMATS, Grid, export, matlab
from scorrnet_cli.field import Field
from scorrnet_cli.layers import LAYERS, LayeredResult, Layers, open_layers
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import Header, open_writer

MakeField = Callable[[int, int, int], Field]
T, H, W = 3, 40, 56
MM_PER_PX = 0.05
TIMES = (0.5, 1.0, 2.5)
COLUMNS = ("u", "v", "exx", "eyy", "exy")


def write(path: Path, field: Field, scaled: bool) -> Path:
    """Write a result, in mm and s if scaled; in any case the last frame has its hole at another place."""
    if scaled:
        infos = tuple(replace(info, at_s=time) for info, time in zip(field.deformed, TIMES, strict=True))
        field = replace(field, deformed=infos, calibration=Calibration(MM_PER_PX, "as told"))
    header = Header((H, W), field.shape[0], field.reference, field.process, field.calibration, "told" * scaled)
    with open_writer(path, header) as writer:
        writer.append(field)
    return path


@pytest.fixture(params=[False, True], ids=["px", "mm"])
def result(request: pytest.FixtureRequest, tmp_path: Path, make_field: MakeField) -> Path:
    field = make_field(T, H, W)
    field = replace(field, process=replace(field.process, settings=replace(field.process.settings, roi=None)))
    return write(tmp_path / "test.h5", field, request.param)


def exported(
    result: Path, name: str, frames: str = "all", step: int = 1
) -> tuple[list[Path], list[Layers], LayeredResult]:
    """Export and return the files, the layers as they should be in them, and the result."""
    kind = FORMATS[name]
    output = result.with_name(f"out{'' if kind.is_folder else kind.suffix}")
    with open_layers(result, frames) as opened:
        grid = Grid(opened, step)
        files = export(kind, grid, output, overwrite=False, after_frame=lambda: None)
        return files, list(grid.frames()), opened


def lines(path: Path) -> list[dict[str, float]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]


def column(rows: list[dict[str, float]], name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in rows])


def assert_close(first: Any, second: Any) -> None:
    np.testing.assert_allclose(first, second, rtol=2e-6, atol=1e-12, equal_nan=True)


def test_the_command_knows_every_format() -> None:
    assert [name.value for name in Name] == list(FORMATS)


@pytest.mark.parametrize("step", [1, 3])
def test_csv(result: Path, step: int) -> None:
    files, frames, opened = exported(result, "csv", step=step)
    assert [path.name[:5] for path in files] == ["0000_", "0001_", "0002_"]
    for path, layers in zip(files, frames, strict=True):
        rows, y, x = lines(path), *np.nonzero(layers.valid)
        assert_close(column(rows, "x_px"), x * step)
        assert_close(column(rows, "y_px"), y * step)
        for name in LAYERS:
            title = f"{name}_{opened.unit}" if name in ("u", "v", "sigma_u", "sigma_v") else name
            assert_close(column(rows, title), layers.arrays[name][y, x])
        if opened.unit == "mm":
            assert_close(column(rows, "x_mm"), x * step * MM_PER_PX)


def test_lengths_are_scaled_once_and_strains_not(result: Path) -> None:
    _, frames, opened = exported(result, "csv")
    with open_layers(result) as again:
        plain = again.layers(0)
    factor = MM_PER_PX if opened.unit == "mm" else 1.0
    assert_close(frames[0].arrays["u"], plain.arrays["u"] * factor)
    assert_close(frames[0].arrays["sigma_v"], plain.arrays["sigma_v"] * factor)
    assert_close(frames[0].arrays["exx"], plain.arrays["exx"])


def vtk_arrays(reader: Any) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Return the image of a VTK reader, and its arrays with the first row of the reference image first."""
    vtk_to_numpy = importlib.import_module("vtkmodules.util.numpy_support").vtk_to_numpy
    image = reader.GetOutputDataObject(0)
    width, height, _ = image.GetDimensions()
    points = image.GetPointData()
    names = [points.GetArrayName(index) for index in range(points.GetNumberOfArrays())]
    arrays = {name: vtk_to_numpy(points.GetArray(name)) for name in names}
    return image, {name: values.reshape(height, width, -1)[::-1].squeeze() for name, values in arrays.items()}


def assert_vtk(reader: Any, layers: Layers, spacing: float) -> None:
    image, arrays = vtk_arrays(reader)
    for name in LAYERS:
        np.testing.assert_array_equal(arrays[name], layers.arrays[name])
    np.testing.assert_array_equal(arrays["valid"], layers.valid)
    moved = arrays["displacement"]
    np.testing.assert_array_equal(moved[..., 0], layers.arrays["u"])
    np.testing.assert_array_equal(moved[..., 1], -layers.arrays["v"])
    width, height, _ = image.GetDimensions()
    first_pixel, last_pixel = (height - 1) * width, width - 1  # rows run upward
    assert image.GetPoint(first_pixel) == pytest.approx((0, 0, 0))
    assert image.GetPoint(last_pixel) == pytest.approx(((width - 1) * spacing, -(height - 1) * spacing, 0))


@pytest.mark.parametrize("step", [1, 3])
def test_vtk_reads_image_data(result: Path, step: int) -> None:
    module = pytest.importorskip("vtkmodules.vtkIOXML")
    files, frames, opened = exported(result, "vtk", step=step)
    for path, layers in zip(files[:-1], frames, strict=True):
        reader = module.vtkXMLImageDataReader()
        assert reader.CanReadFile(str(path))
        reader.SetFileName(str(path))
        reader.Update()
        assert_vtk(reader, layers, step * (MM_PER_PX if opened.unit == "mm" else 1))


def test_the_collection_names_every_frame_and_its_time(result: Path) -> None:
    from xml.etree import ElementTree

    files, _, opened = exported(result, "vtk")
    assert files[-1].name == "out.pvd"
    sets = ElementTree.parse(files[-1]).findall("Collection/DataSet")
    assert [each.attrib["file"] for each in sets] == [path.name for path in files[:-1]]
    assert [float(each.attrib["timestep"]) for each in sets] == list(TIMES if opened.unit == "mm" else range(T))


@pytest.mark.parametrize("frames", ["all", "1"])
def test_vtk_reads_vtkhdf(result: Path, frames: str) -> None:
    module = pytest.importorskip("vtkmodules.vtkIOHDF")
    (path,), expected, opened = exported(result, "vtkhdf", frames, step=2)
    reader = module.vtkHDFReader()
    assert reader.CanReadFile(str(path))
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    key = importlib.import_module("vtkmodules.vtkCommonExecutionModel").vtkStreamingDemandDrivenPipeline.TIME_STEPS()
    times = reader.GetOutputInformation(0).Get(key) or [0.0]
    scaled = opened.unit == "mm"
    if frames == "all":
        assert list(times) == list(TIMES if scaled else range(T))
    for time, layers in reversed(list(zip(times, expected, strict=True))):
        reader.UpdateTimeStep(time)
        assert_vtk(reader, layers, 2 * (MM_PER_PX if scaled else 1))


def test_numpy_reads_npz(result: Path) -> None:
    (path,), frames, opened = exported(result, "npz", step=2)
    with np.load(path, allow_pickle=False) as file:
        for name in LAYERS:
            np.testing.assert_array_equal(file[name], np.stack([layers.arrays[name] for layers in frames]))
        np.testing.assert_array_equal(file["valid"], np.stack([layers.valid for layers in frames]))
        assert file["x_px"].tolist() == list(range(0, W, 2))
        assert file["image"].tolist() == [info.name for info in opened.stored.deformed]
        assert str(file["unit"]) == opened.unit
        assert int(file["vsg_size_px"]) == opened.gauge.vsg_size_px
        assert ("time_s" in file) == (opened.unit == "mm")
    assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def test_scipy_reads_mat(result: Path) -> None:
    loadmat = pytest.importorskip("scipy.io").loadmat
    (path,), frames, opened = exported(result, "mat")
    content = loadmat(path, squeeze_me=True)
    for name in LAYERS:
        np.testing.assert_array_equal(content[name], np.stack([layers.arrays[name] for layers in frames], -1))
    assert content["valid"].shape == (H, W, T)
    assert content["valid"].dtype == np.uint8
    assert list(content["image"]) == [info.name for info in opened.stored.deformed]
    assert str(content["unit"]) == opened.unit


def test_too_much_for_a_mat_is_refused(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "LARGEST_BYTES", 1000)
    with pytest.raises(OutputError, match=r"2 GiB.*out\.mat.*--step"):
        exported(result, "mat")
    assert not result.with_name("out.mat").exists()


def test_matchid_columns(result: Path) -> None:
    files, frames, opened = exported(result, "matchid")
    unit = "mm" if opened.unit == "mm" else "Pixel"
    titles = {
        "u": f"disp.Horizontal Displacement U [{unit}]",
        "v": f"disp.Vertical Displacement V [{unit}]",
        "exx": "strain.Strain-global frame: Exx [ ]",
        "eyy": "strain.Strain-global frame: Eyy [ ]",
        "exy": "strain.Strain-global frame: Exy [ ]",
    }
    for path, layers in zip(files, frames, strict=True):
        rows, y, x = lines(path), *np.nonzero(layers.valid)
        assert_close(column(rows, "Coordinates.Image X [Pixel]"), x)
        assert_close(column(rows, "Coordinates.Image Y [Pixel]"), y)
        for name, title in titles.items():
            assert_close(column(rows, title), layers.arrays[name][y, x])
        assert ("coor.X [mm]" in rows[0]) == (unit == "mm")


def test_pyvale_columns_are_the_same_points_in_every_frame(result: Path) -> None:
    files, frames, opened = exported(result, "pyvale", step=2)
    with open_layers(result) as again:
        y, x = np.nonzero(again.mask[::2, ::2])
    factor = MM_PER_PX if opened.unit == "mm" else 1.0
    for path, layers in zip(files, frames, strict=True):
        assert path.suffix == ".dic2d"
        table = np.loadtxt(path, delimiter=",", skiprows=1)
        assert_close(table[:, 0], 2 * x)
        assert_close(table[:, 1], 2 * y)
        assert_close(table[:, 2], layers.arrays["u"][y, x] / factor)
        assert_close(table[:, 4], np.hypot(table[:, 2], table[:, 3]))
        assert_close(table[:, 5], layers.valid[y, x])


def test_pyvale_reads_them(result: Path) -> None:
    dic = pytest.importorskip("pyvale.dic", reason="pyvale is not installed (extra readers)")
    files, frames, opened = exported(result, "pyvale", step=2)
    read = dic.import_2d([Path(path) for path in files], delimiter=",", layout="matrix", print_level=0)
    factor = MM_PER_PX if opened.unit == "mm" else 1.0
    rows, columns = (read.ss_y[:, 0] // 2).astype(int), (read.ss_x[0] // 2).astype(int)
    for index, layers in enumerate(frames):
        there = np.ix_(rows, columns)
        assert_close(read.u_px[index], layers.arrays["u"][there] / factor)
        assert_close(read.v_px[index], layers.arrays["v"][there] / factor)
        np.testing.assert_array_equal(np.nan_to_num(read.converged[index]).astype(bool), layers.valid[there])


def nodemap(path: Path) -> NDArray[np.float64]:
    table: NDArray[np.float64] = np.genfromtxt(path, delimiter=";", encoding="windows-1252")
    return table


def test_nodemaps_have_y_up_and_strain_in_percent(result: Path) -> None:
    files, frames, opened = exported(result, "gom")
    factor = MM_PER_PX if opened.unit == "mm" else 1.0
    for path, layers in zip(files, frames, strict=True):
        table, y, x = nodemap(path), *np.nonzero(layers.valid)
        u, v, exx, eyy, exy = (layers.arrays[name][y, x] for name in COLUMNS)
        expected = (y * W + x + 1, x * factor, -y * factor, y * 0, u, -v, y * 0, 100 * exx, 100 * eyy, -exy)
        np.testing.assert_allclose(table[:, :10], np.stack(expected, 1), rtol=1e-5, atol=1e-9)
        text = path.read_text(encoding="ascii")
        assert f"x_undef [{opened.unit}]" in text
        assert ("# time" in text) == (opened.unit == "mm")


def test_crackpy_reads_nodemaps(result: Path) -> None:
    pytest.importorskip("crackpy", reason="crackpy is not installed (extra readers)")
    data_files = importlib.import_module("crackpy.structure_elements.data_files")
    processing = importlib.import_module("crackpy.fracture_analysis.data_processing")
    files, frames, opened = exported(result, "gom")
    read = processing.InputData(data_files.Nodemap(name=files[1].name, folder=str(files[1].parent)))
    y, x = np.nonzero(frames[1].valid)
    np.testing.assert_allclose(read.disp_y, -frames[1].arrays["v"][y, x], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(read.eps_x, frames[1].arrays["exx"][y, x], rtol=1e-5, atol=1e-9)
    assert read.time == (TIMES[1] if opened.unit == "mm" else None)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_replaced_unless_asked(result: Path, name: str) -> None:
    files, _, _ = exported(result, name)
    before = [path.stat().st_mtime_ns for path in files]
    with pytest.raises(OutputError, match="exists already"):
        exported(result, name)
    assert [path.stat().st_mtime_ns for path in files] == before


def test_a_file_in_the_place_of_a_folder_is_refused(result: Path) -> None:
    result.with_name("out").write_text("mine")
    with pytest.raises(OutputError, match="needs a folder"):
        exported(result, "csv")
    assert result.with_name("out").read_text() == "mine"


def test_a_failure_leaves_no_file(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Grid, index: int, *, strain: bool = True) -> Layers:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Grid, "frame", fail)
    with pytest.raises(OutputError, match="disk is full"):
        exported(result, "npz")
    assert [path.name for path in result.parent.iterdir()] == [result.name]


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if not kind.is_folder])
def test_every_size_limit_is_told_and_survived(result: Path, name: str) -> None:
    (path,), _, _ = exported(result, name)
    size = path.stat().st_size
    path.unlink()
    for limit in range(0, size - 1, max(1, size // 20)):
        with file_size_limit(limit), pytest.raises(OutputError, match="larger than the file system allows"):
            exported(result, name)
        assert [each.name for each in result.parent.iterdir()] == [result.name]
    exported(result, name)
    assert path.stat().st_size == size


def test_steps_count_from_one(result: Path) -> None:
    with open_layers(result) as opened, pytest.raises(UsageError, match="at least 1 px"):
        Grid(opened, 0)


def test_a_result_in_which_nothing_is_valid_is_exported(tmp_path: Path, make_field: MakeField) -> None:
    field = make_field(1, H, W)
    settings = replace(field.process.settings, roi=None)
    process = replace(field.process, settings=settings)
    empty = Field.empty(np.zeros((H, W), bool), field.reference, field.deformed[0], process)
    with open_writer(tmp_path / "test.h5", Header((H, W), 1, field.reference, process)) as writer:
        writer.append(empty)
    for name in FORMATS:
        files, _, _ = exported(tmp_path / "test.h5", name)
        assert all(path.stat().st_size for path in files)
        for path in files:
            path.unlink()
    assert math.isnan(empty.u[0, 0, 0])
