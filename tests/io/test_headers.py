"""What headers tell is what decoding gives: how many images a file holds, and how large they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from scorrnet_cli.errors import FrameError
from scorrnet_cli.frames import read_frame, read_frames, read_mask
from scorrnet_cli.images.headers import page_shapes

H, W = 40, 56
PIXELS = np.random.default_rng(0).integers(0, 255, (H, W), np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg", "pgm", "tif"])
def test_single_images(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(PIXELS).save(path)
    assert page_shapes(path) == [(H, W)]


def test_colour_and_comments(tmp_path: Path) -> None:
    Image.fromarray(np.stack(3 * [PIXELS], axis=-1)).save(tmp_path / "a.tif")
    assert page_shapes(tmp_path / "a.tif") == [(H, W)]
    (tmp_path / "a.pgm").write_bytes(b"P5 # made by hand\n 56\n40 255\n" + PIXELS.tobytes())
    assert page_shapes(tmp_path / "a.pgm") == [(H, W)]


def test_pages_without_thumbnails_are_those_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tiff:
        for page in range(3):
            tiff.write(PIXELS + page, photometric="minisblack", subfiletype=0)
            tiff.write(PIXELS[::4, ::4], photometric="minisblack", subfiletype=1)
    assert page_shapes(path) == 3 * [(H, W)]
    assert [frame.shape for frame in read_frames(path)] == 3 * [(H, W)]
    (last,) = read_frames(path, {2})
    assert np.array_equal(last.grey, (PIXELS + 2).astype(np.float32))
    assert last.info.name == "a.tif[2]"


def test_files_that_cannot_be_read_count_as_one_of_unknown_size(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    for name, content in (
        ("empty.png", b""),
        ("text.png", b"no image"),
        ("cut.png", (tmp_path / "a.png").read_bytes()[:12]),
        ("cut.tif", b"II*\0"),
        ("cut.pgm", b"P5 56"),
    ):
        (tmp_path / name).write_bytes(content)
        assert page_shapes(tmp_path / name) == [None]
    assert page_shapes(tmp_path / "missing.png") == [None]


def test_a_tiff_cut_before_its_directory_is_one_image_that_cannot_be_read(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "whole.tif") as tiff:
        tiff.write(PIXELS, metadata=None)
    content = (tmp_path / "whole.tif").read_bytes()
    end = len(content)  # libtiff writes the directory last: as if it began behind what there is of the file
    (tmp_path / "cut.tif").write_bytes(content[:4] + end.to_bytes(4, "little") + content[8:])
    assert page_shapes(tmp_path / "cut.tif") == [None]
    with pytest.raises(FrameError):
        next(read_frames(tmp_path / "cut.tif"))


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [
        ("a.avi", "rawvideo", "yuyv422"),
        ("a.avi", "rawvideo", "uyvy422"),
        ("a.mkv", "ffv1", "gray10le"),
        ("a.mkv", "ffv1", "gray12le"),
        ("a.avi", "png", "gray16be"),
        ("a.mkv", "ffv1", "yuv420p10le"),
    ],
)
def test_videos_keep_the_luminance_as_it_is_stored(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    av: Any = pytest.importorskip("av")
    bits = next(component for component in av.VideoFormat(layout, 64, 40).components).bits
    levels = np.linspace(0, 2**bits - 1, 64).round().astype(np.uint16)  # black and white of a camera, not of television
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 40, layout
        frame = av.VideoFrame(64, 40, layout)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        plane = frame.planes[0]
        rows = np.zeros((40, plane.line_size), np.uint8)
        if bits == 8:
            rows[:, int(layout == "uyvy422") : 128 : 2] = levels
        else:
            rows[:, :128] = levels.astype(">u2" if layout.endswith("be") else "<u2").view(np.uint8)
        plane.update(rows.tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    (read,) = read_frames(tmp_path / name)
    full = levels if bits == 8 else levels << (16 - bits)
    assert np.array_equal(read.grey, np.broadcast_to(full, (40, 64)).astype(np.float32))


def test_a_video_without_an_image_is_refused(tmp_path: Path) -> None:
    av: Any = pytest.importorskip("av")
    with av.open(str(tmp_path / "none.avi"), "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 40, "gray"
        container.start_encoding()
    with pytest.raises(FrameError, match="holds no image"):
        read_frame(tmp_path / "none.avi")
    with pytest.raises(FrameError, match="holds no image"):
        read_mask(tmp_path / "none.avi", (40, 64))


def test_a_damaged_video(tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "cut.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST")
    assert page_shapes(tmp_path / "cut.avi") == [None]
    with pytest.raises(FrameError) as error:
        next(read_frames(tmp_path / "cut.avi"))
    assert "damaged" in error.value.what
