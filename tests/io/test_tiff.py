"""TIFF results hold u and v, and ImageJ and OME readers find axes, names and units."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image

from scorrnet_cli.errors import OutputError
from scorrnet_cli.field import Field
from scorrnet_cli.frames import read_frames
from scorrnet_cli.units import Calibration
from scorrnet_cli.writers import Header, open_writer
from scorrnet_cli.writers import tiff as tiff_writer

MakeField = Callable[[int, int, int], Field]
T, H, W = 3, 40, 56
every_suffix = pytest.mark.parametrize("suffix", [".tif", ".tiff", ".ome.tif", ".ome.tiff"])


def header_of(field: Field) -> Header:
    return Header(field.shape[1:], field.shape[0], field.reference, field.process)


def write(path: Path, field: Field) -> None:
    with open_writer(path, header_of(field)) as writer:
        writer.append(field)


def tcyx(field: Field) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.stack([field.u, field.v], axis=1)


@every_suffix
@pytest.mark.parametrize("frames", [1, T])
def test_pixels_come_back(tmp_path: Path, make_field: MakeField, suffix: str, frames: int) -> None:
    field = make_field(frames, H, W)
    write(tmp_path / f"a{suffix}", field)
    with tifffile.TiffFile(tmp_path / f"a{suffix}") as tiff:
        (series,) = tiff.series
        assert series.get_axes(squeeze=False).replace("Z", "").replace("S", "") == "TCYX"
        assert series.axes == ("TCYX" if frames > 1 else "CYX")
        assert series.dtype == np.float32
        pixels = series.asarray().reshape(frames, 2, H, W)
        np.testing.assert_array_equal(pixels, tcyx(field), strict=True)
        assert len(tiff.pages) == 2 * frames
        assert tiff.pages[0].aspage().software == "scorrnet 1.2.3"
    np.testing.assert_array_equal(np.isfinite(pixels[:, 0]), field.valid)


@every_suffix
def test_frame_by_frame_is_the_same_as_all_at_once(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    field = make_field(T, H, W)
    names = ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")
    with open_writer(tmp_path / f"a{suffix}", header_of(field)) as writer:
        for t in range(T):
            arrays = {name: getattr(field, name)[t : t + 1] for name in names}
            writer.append(replace(field, deformed=field.deformed[t : t + 1], **arrays))
    write(tmp_path / f"b{suffix}", field)
    with (
        tifffile.TiffFile(tmp_path / f"a{suffix}") as parts,
        tifffile.TiffFile(tmp_path / f"b{suffix}") as whole,
    ):
        np.testing.assert_array_equal(parts.asarray(), whole.asarray())
        assert parts.imagej_metadata == whole.imagej_metadata


@pytest.mark.parametrize("suffix", [".tif", ".tiff"])
@pytest.mark.parametrize("frames", [1, T])
def test_imagej_finds_axes_labels_and_units(tmp_path: Path, make_field: MakeField, suffix: str, frames: int) -> None:
    field = make_field(frames, H, W)
    write(tmp_path / f"a{suffix}", field)
    with tifffile.TiffFile(tmp_path / f"a{suffix}") as tiff:
        assert tiff.is_imagej
        assert not tiff.is_ome
        metadata = tiff.imagej_metadata
        page = tiff.pages[0].aspage()
        assert page.tags["XResolution"].value == page.tags["YResolution"].value == (1, 1)
    assert metadata is not None
    assert metadata["hyperstack"] is True
    assert metadata["unit"] == "pixel"
    assert (metadata["images"], metadata["channels"], metadata.get("frames", 1)) == (2 * frames, 2, frames)
    assert metadata["Labels"] == [f"{c} Verformt ö_{t}.tif[{t}]" for t in range(frames) for c in "uv"]
    info = json.loads(metadata["Info"])
    assert info["settings"]["window_px"] == 5.5
    assert info["reference"] == {"name": "Referenz ä.tif", "sha256": "0" * 64}
    assert info["weights"] == dict(field.process.weights)
    assert info["deformed"] == told(field)


def told(field: Field) -> list[dict[str, object]]:
    return [
        {
            "name": info.name,
            "sha256": info.sha256,
            "time_s": info.at_s,
            "reason": info.failure,
            "reference_frame": info.reference_frame,
        }
        for info in field.deformed
    ]


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.tiff"])
def test_ome_names_channels_and_sizes(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    field = make_field(T, H, W)
    infos = [replace(info, at_s=float(place)) for place, info in enumerate(field.deformed)]
    field = replace(field, deformed=(*infos[:-1], replace(infos[-1], failure="it is <empty> & 'ö'")))
    write(tmp_path / f"a{suffix}", field)
    with tifffile.TiffFile(tmp_path / f"a{suffix}") as tiff:
        assert tiff.is_ome
        assert not tiff.is_imagej
        assert not tiff.is_bigtiff
        xml = tiff.ome_metadata
    assert xml is not None
    space = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}
    root = ElementTree.fromstring(xml)
    pixels = root.find("ome:Image/ome:Pixels", space)
    assert pixels is not None
    sizes = {name: pixels.get(f"Size{name}") for name in "XYZCT"}
    assert sizes == {"X": str(W), "Y": str(H), "Z": "1", "C": "2", "T": str(T)}
    assert (pixels.get("DimensionOrder"), pixels.get("Type")) == ("XYZCT", "float")
    for axis in "XY":
        assert pixels.get(f"PhysicalSize{axis}") == "1.0"
        assert pixels.get(f"PhysicalSize{axis}Unit") == "pixel"
    assert [channel.get("Name") for channel in pixels.findall("ome:Channel", space)] == ["u", "v"]
    description = root.find("ome:Image/ome:Description", space)
    assert description is not None
    said = json.loads(description.text or "")
    assert said["settings"]["window_px"] == 5.5
    assert said["deformed"] == told(field)


@pytest.mark.parametrize(
    ("suffix", "mm_per_px", "resolution", "unit"),
    [
        (".ome.tif", 0.01, 1000.0, "CENTIMETER"),
        (".ome.tif", 0.042, 10 / 0.042, "CENTIMETER"),
        (".ome.tif", None, 1.0, "NONE"),
        (".tif", 0.01, 100.0, "NONE"),  # in the unit that ImageJ is told
        (".tif", None, 1.0, "NONE"),
    ],
)
def test_resolution_in_the_tags(
    tmp_path: Path, make_field: MakeField, suffix: str, mm_per_px: float | None, resolution: float, unit: str
) -> None:
    field = make_field(1, H, W)
    scale = None if mm_per_px is None else Calibration(mm_per_px, "as told")
    path = tmp_path / f"a{suffix}"
    with open_writer(path, replace(header_of(field), calibration=scale)) as writer:
        writer.append(replace(field, calibration=scale))
    with tifffile.TiffFile(path) as tiff:
        for page in tiff.pages:
            assert page.aspage().resolution == pytest.approx((resolution, resolution))
            assert page.aspage().resolutionunit == tifffile.RESUNIT[unit]
    with Image.open(path) as image:
        assert ("dpi" in image.info) == (unit == "CENTIMETER")
        if unit == "CENTIMETER":
            assert image.info["dpi"] == pytest.approx((2.54 * resolution,) * 2)


def test_ome_beyond_4_gb_is_a_bigtiff(tmp_path: Path, make_field: MakeField, monkeypatch: pytest.MonkeyPatch) -> None:
    field = make_field(T, H, W)
    monkeypatch.setattr(tiff_writer, "_CLASSIC_LIMIT_BYTES", tcyx(field).nbytes - 1)
    write(tmp_path / "big.ome.tif", field)
    with tifffile.TiffFile(tmp_path / "big.ome.tif") as tiff:
        assert tiff.is_bigtiff
        assert tiff.is_ome
        np.testing.assert_array_equal(tiff.asarray(), tcyx(field))


def test_imagej_beyond_4_gb_is_refused_with_advice(tmp_path: Path, make_field: MakeField) -> None:
    header = replace(header_of(make_field(1, H, W)), shape=(16384, 16384), n_frames=2)
    path = tmp_path / "big.tif"
    with (
        pytest.raises(OutputError, match=r"4 GB.*big\.tif.*\.ome\.tif or \.h5") as caught,
        open_writer(path, header),
    ):
        pass
    assert caught.value.exit_code == 7
    assert list(tmp_path.iterdir()) == []


@every_suffix
def test_results_can_be_read_as_frames(tmp_path: Path, make_field: MakeField, suffix: str) -> None:
    field = make_field(T, H, W)
    path = tmp_path / f"a{suffix}"
    whole = replace(field, u=np.nan_to_num(field.u), v=np.nan_to_num(field.v))
    write(path, whole)
    pages = [frame.grey for frame in read_frames(path)]
    np.testing.assert_array_equal(pages, tcyx(whole).reshape(2 * T, H, W))
