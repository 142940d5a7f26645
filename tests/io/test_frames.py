"""Every image format and bit depth comes back in its own grey levels, and every bad file says what is wrong."""

from __future__ import annotations

import hashlib
import os
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from scorrnet_cli.errors import FrameError
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.frames import Frame, check_same_shape, read_frame, read_frames, read_mask

H, W = 40, 56
LUMA = np.array([0.299, 0.587, 0.114])


def noise(dtype: str, *channels: int, frames: int = 0) -> NDArray[Any]:
    """Return random pixels over the whole range of `dtype`, its ends included; (H, W) and more."""
    shape = (*((frames,) if frames else ()), H, W, *channels)
    rng = np.random.default_rng(7)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return rng.random(shape).astype(kind)
    if kind.kind == "b":
        return rng.random(shape) < 0.5
    limits = np.iinfo(kind)
    pixels = rng.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    pixels.flat[0], pixels.flat[1] = limits.min, limits.max
    return pixels


def luminance(rgb: NDArray[Any]) -> NDArray[np.float32]:
    grey: NDArray[np.float32] = (rgb[..., :3].astype(np.float64) @ LUMA).astype(np.float32)
    return grey


def write_png16(path: Path, pixels: NDArray[Any]) -> None:
    """Write a PNG of 16 bit and 2, 3 or 4 channels, which pillow cannot, with filters 0 and 1 in turn."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    differences = rows.copy()
    differences[:, 2 * channels :] -= rows[:, : -2 * channels]
    lines = [b"\1" + differences[y].tobytes() if y % 2 else b"\0" + rows[y].tobytes() for y in range(height)]
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + chunk(b"IEND", b"")
    )


def expect(path: Path, grey: NDArray[Any], rtol: float = 0.0) -> Frame:
    """Read `path` and compare it with `grey`, exactly unless told otherwise."""
    frame = read_frame(path)
    np.testing.assert_allclose(frame.grey, grey.astype(np.float32), rtol=rtol, atol=0)
    assert frame.grey.dtype == np.float32
    assert frame.shape == grey.shape
    assert frame.info == FrameInfo(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
    return frame


# -- TIFF --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_tiff_grey(tmp_path: Path, dtype: str, compression: str | None, byteorder: Any) -> None:
    path = tmp_path / "a.tif"
    pixels = noise(dtype)
    tifffile.imwrite(path, pixels, photometric="minisblack", compression=compression, byteorder=byteorder)
    expect(path, pixels)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_colour_is_luminance(tmp_path: Path, dtype: str, planar: str, channels: int) -> None:
    path = tmp_path / "a.tif"
    pixels = noise(dtype, channels)
    tifffile.imwrite(
        path,
        pixels if planar == "contig" else np.moveaxis(pixels, -1, 0),
        photometric="rgb",
        planarconfig=planar,
        extrasamples=["unassalpha"] * (channels - 3),
    )
    expect(path, luminance(pixels), rtol=1e-6)


def test_tiff_grey_with_alpha(tmp_path: Path) -> None:
    pixels = noise("uint8", 2)
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    )
    expect(tmp_path / "a.tif", pixels[..., 0])


@pytest.mark.parametrize(("dtype", "full_scale"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_tiff_white_is_zero_is_inverted(tmp_path: Path, dtype: str, full_scale: float) -> None:
    pixels = noise(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    expect(tmp_path / "a.tif", np.float32(full_scale) - pixels)


def test_tiff_white_is_zero_above_one_has_its_largest_pixel_black(tmp_path: Path) -> None:
    pixels = 3 * noise("float32")
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    expect(tmp_path / "a.tif", pixels.max() - pixels)


def test_tiff_palette(tmp_path: Path) -> None:
    pixels = noise("uint8")
    colours = np.random.default_rng(1).integers(0, 65536, (3, 256), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="palette", colormap=colours)
    expect(tmp_path / "a.tif", luminance(colours.T[pixels]), rtol=1e-6)


def test_grey_stored_as_colour_comes_back_exactly(tmp_path: Path) -> None:
    pixels = noise("uint16")
    tifffile.imwrite(tmp_path / "a.tif", np.stack([pixels] * 3, -1), photometric="rgb")
    expect(tmp_path / "a.tif", pixels)


@pytest.mark.parametrize("kind", [{}, {"imagej": True}, {"ome": True}, {"bigtiff": True}, {"tile": (16, 16)}])
def test_tiff_pages_are_a_sequence(tmp_path: Path, kind: dict[str, Any]) -> None:
    path = tmp_path / "stack.tif"
    pixels = noise("uint16", frames=3)
    tifffile.imwrite(path, pixels, photometric="minisblack", **kind)
    frames = list(read_frames(path))
    assert [frame.info.name for frame in frames] == ["stack.tif[0]", "stack.tif[1]", "stack.tif[2]"]
    assert {frame.info.sha256 for frame in frames} == {hashlib.sha256(path.read_bytes()).hexdigest()}
    np.testing.assert_array_equal([frame.grey for frame in frames], pixels)
    np.testing.assert_array_equal(read_frame(path).grey, pixels[0])
    assert read_frame(path).info.name == "stack.tif[0]"


def test_tiff_pages_may_differ_and_thumbnails_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    first, second = noise("uint8"), noise("uint16")[:35, :33]
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(first, metadata=None)
        tiff.write(first[::2, ::2], metadata=None, subfiletype=1)
        tiff.write(second, metadata=None)
    frames = list(read_frames(path))
    assert [(f.info.name, f.shape) for f in frames] == [
        ("stack.tif[0]", (H, W)),
        ("stack.tif[1]", (35, 33)),
    ]
    assert [next(read_frames(path, {frame.info.place[1]})).info for frame in frames] == [f.info for f in frames]
    np.testing.assert_array_equal(frames[1].grey, second)


def test_an_image_with_a_thumbnail_is_no_stack(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "one.tif") as tiff:
        tiff.write(noise("uint8"), metadata=None)
        tiff.write(noise("uint8")[::2, ::2], metadata=None, subfiletype=1)
    assert read_frame(tmp_path / "one.tif").info.name == "one.tif"


def test_a_file_that_vanishes_while_it_is_read_is_a_failed_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise("uint8"))

    def gone(path: Path) -> str:
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr("scorrnet_cli.frames.sha256", gone)
    with pytest.raises(FrameError, match="cannot be read again: No such file"):
        read_frame(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_packed_tiff_is_unpacked(tmp_path: Path, compression: str, dtype: str) -> None:
    path = tmp_path / "packed.tif"
    pixels = noise(dtype)
    Image.fromarray(pixels).save(path, compression=compression)
    np.testing.assert_array_equal(read_frame(path).grey, pixels)


def test_tiff_of_an_unknown_packing_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "packed.tif"
    Image.fromarray(noise("uint8")).save(path, compression="tiff_lzw")

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("<COMPRESSION.JETRAW: 48124> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", refuse)
    with pytest.raises(FrameError, match=r"packed in a way.*packed\.tif.*without compression"):
        read_frame(path)


@pytest.mark.parametrize("channels", [3, 5])
def test_tiff_of_unknown_channels_is_refused(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "many.tif"
    tifffile.imwrite(path, noise("uint8", channels), photometric="minisblack", planarconfig="contig")
    with pytest.raises(FrameError, match=r"neither grey nor RGB.*many\.tif.*Save it as a grey image"):
        read_frame(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: tifffile.imwrite(path, noise("uint8", 4), photometric="separated"),
        lambda path: tifffile.imwrite(path, noise("uint8", 3), photometric="ycbcr"),
        lambda path: tifffile.imwrite(path, noise("float32") * 1j),
        lambda path: tifffile.imwrite(path, noise("uint8", frames=16), volumetric=True, tile=(16, 16, 16)),
    ],
    ids=["cmyk", "ycbcr", "complex", "volume"],
)
def test_tiff_of_other_kinds_is_refused(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "odd.tif")
    with pytest.raises(FrameError, match=r"neither grey nor RGB.*odd\.tif"):
        read_frame(tmp_path / "odd.tif")


def test_imagej_stack_beyond_4_gb_is_not_taken_for_one_image(tmp_path: Path) -> None:
    path = tmp_path / "long.tif"
    text = "ImageJ=1.53t\nimages=900\nslices=900\n"
    tifffile.imwrite(path, noise("uint8"), description=text, metadata=None)
    with pytest.raises(FrameError, match=r"over 4 GB.*long\.tif.*OME-TIFF"):
        read_frame(path)


# -- PNG, BMP, JPEG, PGM -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_8_bit_grey(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise("uint8")).save(path)
    expect(path, noise("uint8"))


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_8_bit_colour(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise("uint8", 3)).save(path)
    expect(path, luminance(noise("uint8", 3)), rtol=1e-6)


@pytest.mark.parametrize(("mode", "channels"), [("LA", 2), ("RGBA", 4)])
def test_png_alpha_is_ignored(tmp_path: Path, mode: str, channels: int) -> None:
    pixels = noise("uint8", channels)
    Image.fromarray(pixels, mode).save(tmp_path / "a.png")
    expect(tmp_path / "a.png", pixels[..., 0] if channels == 2 else luminance(pixels), rtol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_palette(tmp_path: Path, suffix: str) -> None:
    pixels = noise("uint8") % 200
    colours = np.random.default_rng(1).integers(0, 256, (200, 3), dtype=np.uint8)
    image = Image.fromarray(pixels, "L")
    image.putpalette(colours.tobytes())
    transparency: Any = {"transparency": bytes(100)} if suffix == "png" else {}
    image.save(tmp_path / f"a.{suffix}", **transparency)
    expect(tmp_path / f"a.{suffix}", luminance(colours[pixels]), rtol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_1_bit(tmp_path: Path, suffix: str) -> None:
    pixels = noise("bool")
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
    expect(tmp_path / f"a.{suffix}", pixels)


def test_16_bit_grey_png(tmp_path: Path) -> None:
    Image.fromarray(noise("uint16")).save(tmp_path / "a.png")
    expect(tmp_path / "a.png", noise("uint16"))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_png_of_several_channels_keeps_all_bits(tmp_path: Path, channels: int) -> None:
    pixels = noise("uint16", channels)
    write_png16(tmp_path / "a.png", pixels)
    expect(tmp_path / "a.png", pixels[..., 0] if channels == 2 else luminance(pixels), rtol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path: Path, mode: str) -> None:
    ramp = np.add.outer(np.arange(H), np.arange(W)).astype(np.uint8)
    Image.fromarray(ramp).convert(mode).save(tmp_path / "a.jpg", quality=100)
    frame = read_frame(tmp_path / "a.jpg")
    np.testing.assert_allclose(frame.grey, ramp, atol=2)


@pytest.mark.parametrize(("largest", "dtype"), [(255, "u1"), (100, "u1"), (1023, ">u2"), (65535, ">u2")])
@pytest.mark.parametrize("channels", [1, 3])
def test_binary_pgm_and_ppm_keep_their_own_scale(tmp_path: Path, largest: int, dtype: str, channels: int) -> None:
    path = tmp_path / "a.pgm"
    pixels = noise("uint32", channels) % (largest + 1)
    header = f"P{5 if channels == 1 else 6}\n# made by a camera\n{W} {H}\n{largest}\n".encode()
    path.write_bytes(header + pixels.astype(dtype).tobytes())
    expect(path, pixels[..., 0] if channels == 1 else luminance(pixels), rtol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_plain_pgm_and_ppm(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.pgm"
    pixels = noise("uint16", channels) % 4096
    numbers = " ".join(str(level) for level in pixels.ravel())
    path.write_text(f"P{2 if channels == 1 else 3} {W} {H} 4095\n{numbers}\n")
    expect(path, pixels[..., 0] if channels == 1 else luminance(pixels), rtol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg"])
def test_large_sensors_are_no_decompression_bombs(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(noise("uint8")).save(tmp_path / f"a.{suffix}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_frame(tmp_path / f"a.{suffix}").shape == (H, W)


def test_the_content_decides_the_format_not_the_suffix(tmp_path: Path) -> None:
    Image.fromarray(noise("uint8")).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    expect(tmp_path / "a.tif", noise("uint8"))


# -- what cannot be read -----------------------------------------------------------------------------------------


def refused(path: Path) -> FrameError:
    with pytest.raises(FrameError) as caught:
        list(read_frames(path))
    assert path.name in str(caught.value)
    assert caught.value.exit_code == 3
    return caught.value


def test_missing_folder_empty_and_other_files_are_refused(tmp_path: Path) -> None:
    assert "no such image" in refused(tmp_path / "missing.tif").what
    assert "folder" in refused(tmp_path).what
    (tmp_path / "empty.tif").touch()
    assert "empty" in refused(tmp_path / "empty.tif").what
    (tmp_path / "notes.tif").write_text("These are not the images you are looking for.")
    error = refused(tmp_path / "notes.tif")
    assert "not an image" in error.what
    assert "PNG" in error.todo


def test_unreadable_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    assert "Permission denied" in str(refused(tmp_path / "secret.tif"))


@pytest.mark.parametrize("suffix", ["tif", "zlib.tif", "strips.tif", "png", "bmp", "jpg", "pgm"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    if suffix.endswith("tif"):
        packing: dict[str, dict[str, Any]] = {
            "zlib.tif": {"compression": "zlib"},
            "strips.tif": {"rowsperstrip": 3},
        }
        tifffile.imwrite(whole, noise("uint8"), **packing.get(suffix, {}))
    else:
        Image.fromarray(noise("uint8")).save(whole)
    content = whole.read_bytes()
    broken = tmp_path / f"broken.{suffix}"
    for size in (5, 9, 20, 100, len(content) // 3, len(content) * 3 // 4):
        broken.write_bytes(content[:size])
        assert refused(broken).todo


@pytest.mark.parametrize("together", [True, False])
def test_truncated_sequences_are_refused_and_not_taken_for_shorter_ones(tmp_path: Path, together: bool) -> None:
    whole = tmp_path / "whole.tif"
    with tifffile.TiffWriter(whole) as tiff:
        for pixels in noise("uint8", frames=4):
            tiff.write(pixels, contiguous=together, metadata=None)
    content = whole.read_bytes()
    with tifffile.TiffFile(whole) as tiff:
        starts = [page.offset for page in tiff.pages]
    broken = tmp_path / "broken.tif"
    for size in [start + extra for start in starts[1:] for extra in (0, 1, 2, 6, 50)]:
        broken.write_bytes(content[:size])
        assert "damaged or truncated" in refused(broken).what


@pytest.mark.parametrize("suffix", ["tif", "png", "bmp", "jpg", "pgm"])
def test_damaged_files_are_read_or_refused_but_never_crash(tmp_path: Path, suffix: str) -> None:
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(noise("uint8")).save(whole)
    content = whole.read_bytes()
    dice = random.Random(3)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(4):
            damaged[dice.randrange(2, 200)] = dice.randrange(256)
        (tmp_path / "broken").write_bytes(damaged)
        try:
            read_mask(tmp_path / "broken", (H, W))
        except FrameError as error:
            assert "broken" in str(error)  # the name of the file; what is wrong with it depends on where it was hit


def test_memory_that_does_not_suffice_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "huge.tif", noise("uint8"))

    def exhaust(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 1 PiB")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", exhaust)
    assert "too little memory" in refused(tmp_path / "huge.tif").what


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_pixels_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    pixels = noise("float64")
    pixels[3, 5] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    assert "not a number" in refused(tmp_path / "a.tif").what


@pytest.mark.parametrize("shape", [(31, 64), (64, 31)])
def test_small_images_are_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    tifffile.imwrite(tmp_path / "small.tif", np.zeros(shape, np.uint8))
    error = refused(tmp_path / "small.tif")
    assert "smaller than the networks accept" in error.what
    assert f"{shape[1]} x {shape[0]} px" in error.what


def test_smallest_and_constant_images_are_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.float32))
    expect(tmp_path / "a.tif", np.zeros((32, 32)))


def test_a_file_that_is_left_early_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, noise("uint8", frames=2), photometric="minisblack")
    frames = read_frames(path)
    next(frames)
    assert path in open_files()
    frames.close()
    assert path not in open_files()


def open_files() -> list[Path]:
    """Return the files this process has open; skipped where that cannot be known."""
    folder = Path("/proc/self/fd")
    if not folder.exists():
        pytest.skip("needs /proc")
    return [entry.readlink() for entry in folder.iterdir() if entry.is_symlink()]


def test_names_that_are_no_utf8_are_made_so(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"bad\xff.tif")
    try:
        tifffile.imwrite(path, noise("uint8"))
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert read_frame(path).info.name == "bad\ufffd.tif"


# -- masks, shapes, names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(0, 255), (0, 1), (0, 77)])
def test_mask_is_true_where_not_zero(tmp_path: Path, values: tuple[int, int]) -> None:
    inside = noise("bool")
    Image.fromarray(np.where(inside, values[1], values[0]).astype(np.uint8)).save(tmp_path / "m.png")
    mask = read_mask(tmp_path / "m.png", (H, W))
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, inside)


def test_mask_of_one_bit_or_first_page(tmp_path: Path) -> None:
    inside = noise("bool", frames=2)
    Image.fromarray(inside[0]).save(tmp_path / "m.png")
    tifffile.imwrite(tmp_path / "m.tif", inside.astype(np.uint8), photometric="minisblack")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", (H, W)), inside[0])
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif", (H, W)), inside[0])


def test_a_mask_in_which_nothing_is_white_is_refused(tmp_path: Path) -> None:
    """Arrays of bool come as TIFF files of one bit in which 0 is white: taken at their word they are inverted."""
    tifffile.imwrite(tmp_path / "m.tif", noise("bool"))
    with pytest.raises(FrameError, match=r"0 is white .*m\.tif.*Save it as PNG"):
        read_mask(tmp_path / "m.tif", (H, W))


def test_what_is_transparent_in_a_mask_is_not_measured(tmp_path: Path) -> None:
    inside = noise("bool")
    paint = np.full((H, W, 4), 255, np.uint8)
    paint[..., 3] = np.where(inside, 255, 0)
    Image.fromarray(paint).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "m.png", (H, W)), inside)
    Image.fromarray(paint[..., [0, 3]], "LA").save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "grey.png", (H, W)), inside)


def test_a_jpeg_is_no_mask(tmp_path: Path) -> None:
    Image.fromarray(np.where(noise("bool"), 255, 0).astype(np.uint8)).save(tmp_path / "m.jpg")
    with pytest.raises(FrameError, match=r"not quite black.*m\.jpg.*Save it as PNG"):
        read_mask(tmp_path / "m.jpg", (H, W))


def test_a_file_of_many_pages_is_hashed_anew_when_it_has_changed(tmp_path: Path) -> None:
    for pixels in (np.zeros((H, W), np.uint8), np.ones((H, W + 1), np.uint8)):
        tifffile.imwrite(tmp_path / "a.tif", pixels)
        digest = hashlib.sha256((tmp_path / "a.tif").read_bytes()).hexdigest()
        assert read_frame(tmp_path / "a.tif").info.sha256 == digest


def test_mask_of_another_shape_or_black_is_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.ones((H, W), np.uint8))
    with pytest.raises(FrameError, match=r"mask is 56 x 40 px but the reference image is 40 x 56 px \(.*m\.tif"):
        read_mask(tmp_path / "m.tif", (W, H))
    tifffile.imwrite(tmp_path / "black.tif", np.zeros((H, W), np.uint8))
    with pytest.raises(FrameError, match=r"black throughout \(.*black\.tif"):
        read_mask(tmp_path / "black.tif", (H, W))
    with pytest.raises(FrameError, match=r"no such image"):
        read_mask(tmp_path / "missing.tif", (H, W))


def test_check_same_shape_names_both() -> None:
    first = Frame(np.zeros((40, 50), np.float32), FrameInfo("ref.tif", ""))
    second = Frame(np.zeros((50, 40), np.float32), FrameInfo("def.tif", ""))
    check_same_shape(first, first)
    with pytest.raises(FrameError, match=r"ref\.tif is 50 x 40 px but .* def\.tif is 40 x 50 px"):
        check_same_shape(first, second)
