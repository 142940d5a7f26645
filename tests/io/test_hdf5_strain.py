"""Strain, scale and times are stored beside the displacement, with it or afterwards, and readers see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.field import Field
from scorrnet_cli.gauge import ARRAYS, Strain, StrainSettings
from scorrnet_cli.settings import Settings
from scorrnet_cli.strain import strain_of, with_strain
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import Header, add_strain, open_result, open_writer, read_hdf5, set_units, write_view

MakeField = Callable[[int, int, int], Field]
T, H, W = 3, 40, 56
OLD = Path(__file__).parents[1] / "data" / "result_format_1.h5"
HOW = StrainSettings(9, "hencky", 2, "gaussian", 3.0, 4)


def header(field: Field) -> Header:
    return Header(field.shape[1:], field.shape[0], field.reference, field.process, field.calibration, field.time_source)


def write(path: Path, field: Field) -> Path:
    with open_writer(path, header(field)) as writer:
        writer.append(field)
    return path


@pytest.fixture
def plain(make_field: MakeField) -> Field:
    """A field without strain, scale and times."""
    return make_field(T, H, W)


@pytest.fixture
def full(plain: Field) -> Field:
    """A field with all of them; the time of one image is not known."""
    process = replace(plain.process, settings=Settings(strain=True, strain_window_px=9))
    images = tuple(replace(info, at_s=time) for info, time in zip(plain.deformed, (0.5, None, 1.5), strict=True))
    scale = Calibration(0.05, "a ruler")
    field = replace(plain, process=process, deformed=images, calibration=scale, time_source="a clock")
    return with_strain(field)


def take(how: StrainSettings) -> Callable[[Field], Strain]:
    return lambda field: strain_of(field, how)


def assert_same(first: Strain | None, second: Strain | None) -> None:
    assert first is not None
    assert second is not None
    assert first.how == second.how
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), strict=True)


def test_everything_comes_back(tmp_path: Path, full: Field) -> None:
    assert np.isfinite(full.strain_field.exx).any()  # type: ignore[union-attr]
    back = read_hdf5(write(tmp_path / "a.h5", full))
    assert_same(back.strain_field, full.strain_field)
    assert (back.calibration, back.time_source, back.deformed) == (full.calibration, "a clock", full.deformed)


def test_frames_come_back_one_by_one_and_without_strain(tmp_path: Path, full: Field) -> None:
    with open_result(write(tmp_path / "a.h5", full)) as result:
        assert result.gauge == full.process.settings.gauge
        assert result.frame(1).deformed == full.deformed[1:2]
        assert_same(result.frame(1).strain_field, full.strain_field[1:2])  # type: ignore[index]
        assert result.frame(1, strain=False).strain_field is None


def test_packed_frames_and_views_keep_all_of_it(tmp_path: Path, full: Field) -> None:
    one = tmp_path / "000000.h5"
    for index in range(T):
        part = slice(index, index + 1)
        arrays = {
            name: getattr(full, name)[part]
            for name in ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")
        }
        strain = full.strain_field[part]  # type: ignore[index]
        write(one.with_stem(f"{index:06d}"), replace(full, deformed=full.deformed[part], strain_field=strain, **arrays))
    with open_writer(tmp_path / "whole.h5", header(full)) as writer:
        for index in range(T):
            writer.take(tmp_path / f"{index:06d}.h5")
    write_view(tmp_path / "view.h5", header(full), [f"{index:06d}.h5" for index in range(T)])
    for name in ("whole.h5", "view.h5"):
        back = read_hdf5(tmp_path / name)
        assert_same(back.strain_field, full.strain_field)
        assert back.deformed == full.deformed
        assert back.calibration == full.calibration
    with pytest.raises(UsageError, match="view of frames"):
        add_strain(tmp_path / "view.h5", HOW, take(HOW))


def test_a_frame_that_failed_has_no_strain(tmp_path: Path, full: Field) -> None:
    failed = Field.empty(full.mask[0], full.reference, replace(full.deformed[0], failure="torn"), full.process)
    back = read_hdf5(write(tmp_path / "a.h5", failed))
    assert back.strain_field is not None
    assert not np.isfinite(back.strain_field.exx).any()


def test_strain_is_added_and_replaced(tmp_path: Path, plain: Field) -> None:
    path = write(tmp_path / "a.h5", plain)
    add_strain(path, HOW, take(HOW))
    assert_same(read_hdf5(path).strain_field, strain_of(plain, HOW))
    size = path.stat().st_size
    other = replace(HOW, window_px=11, measure="small")
    for _ in range(3):
        add_strain(path, other, take(other))
    assert_same(read_hdf5(path).strain_field, strain_of(plain, other))
    np.testing.assert_array_equal(read_hdf5(path).u, plain.u)
    assert path.stat().st_size < 1.2 * size  # the room of what was there is used again
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]


def test_changes_of_changes_do_not_make_a_result_grow(tmp_path: Path, make_field: MakeField) -> None:
    path, random = write(tmp_path / "a.h5", make_field(1, 300, 400)), np.random.default_rng(1)

    def noisy(digits: int) -> Callable[[Field], Strain]:
        return lambda field: Strain(
            **{name: random.normal(size=field.u.shape).round(digits).astype(np.float32) for name in ARRAYS}, how=HOW
        )

    sizes = []
    for change in range(8):  # what compresses well and what does not, in turn, fit nowhere in each other's room
        add_strain(path, HOW, noisy(change % 2))
        sizes.append(path.stat().st_size)
    assert max(sizes[4:]) < 1.02 * max(sizes[2:4])


def test_a_copy_leaves_the_result_alone(tmp_path: Path, plain: Field) -> None:
    path = write(tmp_path / "a.h5", plain)
    before = path.read_bytes()
    add_strain(path, HOW, take(HOW), tmp_path / "b.h5")
    assert path.read_bytes() == before
    assert read_hdf5(tmp_path / "b.h5").strain_field is not None
    with pytest.raises(OutputError, match="exists already"):
        add_strain(path, HOW, take(HOW), tmp_path / "b.h5")


def test_what_goes_wrong_leaves_the_result_as_it_was(tmp_path: Path, plain: Field) -> None:
    path = write(tmp_path / "a.h5", plain)
    before = path.read_bytes()

    def interrupted(field: Field) -> Strain:
        if field.deformed[0] == plain.deformed[2]:
            raise KeyboardInterrupt
        return strain_of(field, HOW)

    with pytest.raises(KeyboardInterrupt):
        add_strain(path, HOW, interrupted)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path, make_field: MakeField) -> None:
    path = write(small_disk / "a.h5", make_field(2, H, W))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="disk is full"):
        add_strain(path, HOW, take(HOW))
    assert path.read_bytes() == before
    assert [file.name for file in small_disk.iterdir()] == ["a.h5"]


def test_scale_and_times_are_stated_once(tmp_path: Path, full: Field) -> None:
    path = write(tmp_path / "a.h5", full)
    set_units(path, Calibration(0.1, "scale bar"))
    back = read_hdf5(path)
    assert (back.calibration, back.deformed) == (Calibration(0.1, "scale bar"), full.deformed)
    set_units(path, None, [1.0, 2.0, 3.0], "watch")
    back = read_hdf5(path)
    assert ([info.at_s for info in back.deformed], back.time_source) == ([1.0, 2.0, 3.0], "watch")
    np.testing.assert_array_equal(back.u, full.u)  # still px
    assert_same(back.strain_field, full.strain_field)


def test_silx_plots_strain_too(tmp_path: Path, full: Field) -> None:
    nxdata = pytest.importorskip("silx.io.nxdata")
    with h5py.File(write(tmp_path / "a.h5", full)) as file:
        assert nxdata.get_default(file).signal_dataset_name == "u"
        strain = nxdata.NXdata(file["entry/strain"])
        assert strain.is_valid
        assert strain.signal_dataset_name == "exx"
        assert strain.auxiliary_signals_dataset_names == ["eyy", "exy"]
        assert strain.axes_dataset_names == ["frame", "y", "x"]
        np.testing.assert_array_equal(strain.signal[...], full.strain_field.exx)  # type: ignore[union-attr]
        said = dict(file["entry/strain"].attrs)
        assert (said["strain_measure"], said["vsg_size_px"]) == ("green-lagrange", 43)


@pytest.mark.parametrize("frames", [1, T])
@pytest.mark.parametrize("afterwards", [False, True])
def test_vtk_reads_strain_and_times(tmp_path: Path, make_field: MakeField, frames: int, afterwards: bool) -> None:
    vtk_to_numpy = pytest.importorskip("vtkmodules.util.numpy_support").vtk_to_numpy
    plain = make_field(frames, H, W)
    times = [0.25 * (index + 1) for index in range(frames)]
    if afterwards:
        path = write(tmp_path / "a.h5", plain)
        add_strain(path, HOW, take(HOW))
        set_units(path, None, times, "watch")
    else:
        images = tuple(replace(info, at_s=time) for info, time in zip(plain.deformed, times, strict=True))
        settings = Settings(strain=True, strain_window_px=9, strain_measure="hencky")
        plain = replace(plain, process=replace(plain.process, settings=settings), deformed=images)
        path = write(tmp_path / "a.h5", with_strain(plain))
    strain = read_hdf5(path).strain_field
    reader: Any = pytest.importorskip("vtkmodules.vtkIOHDF").vtkHDFReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    for step, time in enumerate(times):
        if frames > 1:
            reader.UpdateTimeStep(time)
            assert reader.GetTimeValue() == time
        else:
            reader.Update()
        points = reader.GetOutputDataObject(0).GetPointData()
        for name in ("exx", "sigma_exy"):
            values = vtk_to_numpy(points.GetArray(name)).reshape(H, W)
            np.testing.assert_array_equal(values, getattr(strain, name)[step])


def test_a_result_of_format_1_opens_and_takes_strain_and_units(tmp_path: Path) -> None:
    with h5py.File(OLD) as file:
        assert file["entry"].attrs["format_version"] == 1
    field = read_hdf5(OLD)
    assert field.shape == (2, 40, 64)
    assert [info.name for info in field.deformed] == ["deformed.png", "void.png"]
    assert field.deformed[1].failure == "The image has no contrast at all"
    assert (field.calibration, field.strain_field, field.time_source) == (None, None, "")
    assert np.nanmedian(field.v[0]) == pytest.approx(0.447, abs=1e-3)
    path = tmp_path / "new.h5"
    how = field.process.settings.gauge
    add_strain(OLD, how, take(how), path)
    set_units(path, Calibration(0.05, "ruler"), [1.0, 2.0], "watch")
    new = read_hdf5(path)
    np.testing.assert_array_equal(new.v, field.v)
    assert_same(new.strain_field, strain_of(field))
    assert [info.at_s for info in new.deformed] == [1.0, 2.0]
    with h5py.File(path) as file:
        assert file["entry"].attrs["format_version"] == 2


@pytest.mark.parametrize("suffix", [".tif", ".ome.tif"])
def test_tiff_has_the_size_of_a_pixel_and_no_strain(tmp_path: Path, plain: Field, full: Field, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with pytest.raises(OutputError, match="no strain"):
        write(path, full)
    write(path, replace(plain, calibration=Calibration(0.05, "ruler")))
    with tifffile.TiffFile(path) as tiff:
        if suffix == ".tif":
            assert tiff.imagej_metadata is not None
            assert tiff.imagej_metadata["unit"] == "mm"
            top, bottom = tiff.pages[0].aspage().tags["XResolution"].value
            assert top / bottom == pytest.approx(20)  # pixels a mm
        else:
            assert 'PhysicalSizeX="0.05" PhysicalSizeXUnit="mm"' in str(tiff.ome_metadata)
        np.testing.assert_array_equal(tiff.asarray()[:, 0], plain.u)  # still px
