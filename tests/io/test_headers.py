"""What headers tell is what decoding gives: how many images a file holds, and how large they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from scorrnet_cli.errors import FrameError
from scorrnet_cli.frames import read_frames
from scorrnet_cli.headers import page_shapes

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
    assert last.info.name == "a.tif[4]"


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


def test_a_damaged_video(tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "cut.avi").write_bytes(b"RIFF\0\0\0\0AVI LIST")
    assert page_shapes(tmp_path / "cut.avi") == [None]
    with pytest.raises(FrameError) as error:
        next(read_frames(tmp_path / "cut.avi"))
    assert "damaged" in error.value.what
