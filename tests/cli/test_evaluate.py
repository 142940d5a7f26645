"""``scorrnet evaluate``: tables, JSON, pictures and errors, with methods that need no network and small images."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from typer.testing import CliRunner, Result

from scorrnet_cli import pipeline
from scorrnet_cli.cli import app
from scorrnet_cli.evaluation import bias, fields, methods, sigma, star, synthetic
from scorrnet_cli.evaluation.hard import bed, cases, exchange, holes, outlines, scale
from scorrnet_cli.evaluation.hard.bodies import Body
from scorrnet_cli.evaluation.hard.case import Case
from scorrnet_cli.evaluation.methods import Measured, Method
from scorrnet_cli.evaluation.rendering import make_pair, photograph
from scorrnet_cli.field import Field
from scorrnet_cli.settings import Settings
from scorrnet_cli.writers import Header, open_writer


def scorrnet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)], prog_name="scorrnet")


def rows(result: Result, evaluation: str) -> list[dict[str, Any]]:
    """Check the frame of the JSON and return what it holds."""
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content.pop("version")
    assert content.pop("schema") == 1
    assert content.pop("evaluation") == evaluation
    found: list[dict[str, Any]] = content.pop("rows")
    assert not content
    return found


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods that find nothing moved, or noise with an honest sigma; images of few pixels."""

    def still(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        return Measured(torch.zeros(2, *mask.shape), mask, torch.full((2, *mask.shape), math.nan))

    def noisy(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        noise = 0.01 * torch.randn(2, *mask.shape, generator=torch.Generator().manual_seed(1))
        return Measured(noise, mask, torch.full_like(noise, 0.01))

    def moved(reference: Tensor, deformed: Tensor, mask: Tensor) -> Measured:
        found = noisy(reference, deformed, mask)
        return found._replace(displacement=found.displacement - 1.2)

    def load(names: Iterable[str], device: str = "auto") -> dict[str, Method]:
        known = {"scorrnet": noisy, "network": still, "linear": moved}
        return {name: known[name] for name in names}

    monkeypatch.setattr(methods, "load_methods", load)
    monkeypatch.setattr(star, "STARS", {"1-2": star.Star("1-2", 61, 120, 10.0, 0.5)})
    cases = (
        fields.Case("shift", fields.affine(0.0, 0.0, (0.3, 0.2), 64)),
        fields.Case("strip", fields.affine(0.02, 1.0, (0.3, 0.2), 64), fields.strip_with_hole),
    )
    monkeypatch.setattr(fields, "SIZE_PX", 64)
    monkeypatch.setattr(fields, "CASES", cases)
    monkeypatch.setattr(fields.field_figures, "__defaults__", ((0.0, 1.0), cases))
    monkeypatch.setattr(bias.bias_curves, "__defaults__", ((0.0, 1.0), (0.0, 0.5), 64))
    monkeypatch.setattr(synthetic.samples, "__defaults__", (2, 64))
    monkeypatch.setattr(synthetic.synthetic_figures, "__defaults__", (2, 64))


BODY = Body(outlines.disk((31.0, 31.0), 20.0), fields.affine(0.0, 0.0, (1.0, 0.0), 64))
BOTH = ("--methods", "scorrnet,network")


class TestFigures:
    def test_star(self, tmp_path: Path) -> None:
        picture = tmp_path / "star.png"
        first, second = rows(scorrnet("star", *BOTH, "--json", "--plot", picture), "star")
        assert (first["star"], first["method"], second["method"]) == ("1-2", "scorrnet", "network")
        assert first["noise_px"] == pytest.approx(0.01, rel=0.3)
        assert second["noise_px"] == 0.0
        # the mean of |0.5 cos| is 1 / pi
        assert second["mae_v_noiseless"] == pytest.approx(1 / math.pi, rel=0.1)
        assert first["mei_px2"] is None
        assert first["accuracy_noisy_valid_share"] == 1.0
        assert "curve" not in first
        with Image.open(picture) as drawn:
            assert min(drawn.size) > 400

    def test_star_as_a_table(self) -> None:
        result = scorrnet("star", "1-2", "--methods", "network")
        assert result.exit_code == 0, result.stderr
        header, line = result.stdout.splitlines()
        assert re.split(r"\s{2,}", header.strip())[:4] == ["star", "method", "MAE v noiseless", "MAE v noisy"]
        assert line.split()[:2] == ["1-2", "network"]
        assert "-" in line.split()
        assert result.stderr == ""

    def test_bias(self, tmp_path: Path) -> None:
        found = rows(scorrnet("bias", *BOTH, "--json", "--plot", tmp_path / "bias.png"), "bias")
        assert [(each["method"], each["noise"]) for each in found] == [
            ("scorrnet", 0.0),
            ("network", 0.0),
            ("scorrnet", 1.0),
            ("network", 1.0),
        ]
        assert found[1]["largest_bias_px"] == pytest.approx(0.5)
        assert [each["shift_px"] for each in found[1]["shifts"]] == [0.0, 0.5]
        assert found[0]["std_px"] == pytest.approx(0.01, rel=0.2)
        assert (tmp_path / "bias.png").stat().st_size > 1000

    def test_fields(self) -> None:
        found = rows(scorrnet("fields", *BOTH, "--json"), "fields")
        assert len(found) == 2 * 2 * len(fields.CASES)
        strip = [each for each in found if each["edge_rmse_px"] is not None]
        assert {each["case"] for each in strip} == {fields.CASES[-1].name}

    def test_sigma(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pair = make_pair((64, 64), fields.affine(0.0, 0.0, (0.0, 0.0), 64), 1)
        monkeypatch.setattr(sigma, "noisy_cases", lambda: iter([("rest", [pair])]))
        found = rows(scorrnet("sigma", *BOTH, "--json"), "sigma")
        table = {(each["method"], each["case"]): each for each in found}
        assert table["scorrnet", "rest"]["std"] == pytest.approx(1.0, rel=0.1)
        assert table["network", "rest"]["std"] is None
        assert ("scorrnet", "all") in table

    def test_synthetic(self, tmp_path: Path) -> None:
        picture = tmp_path / "synthetic.png"
        found = rows(scorrnet("synthetic", "--pairs", "2", *BOTH, "--json", "--plot", picture), "synthetic")
        assert {each["method"] for each in found} == {"scorrnet", "network"}
        assert {each["by"] for each in found} == {
            "all",
            "displacement, px",
            "gradient",
            "noise, grey levels",
            "speckle, px",
        }
        assert picture.exists()


class TestHard:
    @pytest.fixture(autouse=True)
    def measured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two cases, measured without networks: one error of 0.05 px at every point, half of the mask found."""

        def trials(_: object, cases: Iterable[Case]) -> Iterator[bed.Trial]:
            for case in cases:
                pair = dataclasses.replace(case, size_px=64, bodies=(BODY,)).render()
                points = bed.Points(*torch.full((4, 9), 0.05))
                found = pair.mask & (torch.arange(64) < 32)
                error = torch.where(found, 0.05, math.nan)
                both = {bed.FOUND: points, bed.GIVEN: points}
                yield bed.Trial(case, pair.reference, pair.deformed, pair.mask, found, error, both)

        monkeypatch.setattr(pipeline, "load", lambda settings: settings)
        monkeypatch.setattr(bed, "trials", trials)
        monkeypatch.setattr(cases, "CASES", tuple(cases.chosen("newspaper")))
        monkeypatch.setattr(cases.chosen, "__defaults__", (cases.CASES,))
        exchanged = [exchange.Exchange("disk", "plain", "gravel", change, 0.01) for change in (0.002, 0.004)]
        monkeypatch.setattr(exchange, "exchanges", lambda _: iter(exchanged))
        monkeypatch.setattr(scale, "scale_figures", lambda _: iter([scale.ScaleFigures(256, 2.0, 0.97)]))
        monkeypatch.setattr(holes, "hole_figures", lambda _: iter([holes.HoleFigures(3.0, 18.0, 0.25)]))

    def test_json(self) -> None:
        found = rows(scorrnet("hard", "--json"), "hard")
        names = ("kinds", "exchange", "scale", "holes", "bars")
        tables = {name: [row for row in found if row["table"] == name] for name in names}
        assert [len(each) for each in tables.values()] == [4, 2, 1, 1, 10]
        kind = tables["kinds"][0]
        assert (kind["group"], kind["kind"], kind["mask"], kind["pairs"]) == ("background", "newspaper", "found", 2)
        assert kind["iou"] == pytest.approx(0.5, abs=0.05)
        assert kind["rmse_px"] == pytest.approx(0.05 / math.sqrt(2), rel=1e-6)
        changed = tables["bars"][-1]
        assert (changed["found"], changed["given"], changed["holds"]) == (0.004, None, True)
        assert tables["bars"][0]["holds"] is False

    def test_tables(self) -> None:
        shown = scorrnet("hard")
        assert shown.exit_code == 0, shown.stderr
        for part in (
            "By kind",
            "newspaper",
            "Exchange of the background",
            "Scale",
            "Holes",
            "25%",
            "Bars",
            "0.0500",
            "<= 0.03",
        ):
            assert part in shown.stdout

    def test_markdown(self) -> None:
        shown = scorrnet("hard", "--kinds", "newspaper", "--markdown").stdout
        headings = [line for line in shown.splitlines() if line.startswith("#")]
        assert headings == ["### By kind", "### Bars"]
        lines = [line for line in shown.splitlines() if line.startswith("|")]
        assert {line.count("|") for line in lines[:4]} == {12}
        assert set(lines[1]) <= set("|-: ")

    def test_contact_sheets(self, tmp_path: Path) -> None:
        folder = tmp_path / "new" / "sheets"
        assert scorrnet("hard", "--kinds", "newspaper", "--sheet", folder).exit_code == 0
        for name in ("worst_masks.png", "worst_fields.png"):
            with Image.open(folder / name) as drawn:
                assert min(drawn.size) > 400
        again = scorrnet("hard", "--kinds", "newspaper", "--sheet", folder)
        assert again.exit_code == 7
        assert "worst_masks.png" in again.stderr
        assert scorrnet("hard", "--sheet", folder / "worst_masks.png").exit_code == 7


class TestNoiseFloor:
    @pytest.fixture
    def images(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """Three photographs of one scene and its mask; the real pipeline would need the weights."""
        scene = make_pair((64, 80), fields.affine(0.0, 0.0, (0.0, 0.0), 64), 1).reference
        paths = [tmp_path / f"{number}.png" for number in range(3)]
        for number, path in enumerate(paths):
            Image.fromarray(photograph(scene, number).byte().numpy()).save(path)
        Image.new("L", (80, 64), 255).save(tmp_path / "mask.png")

        class Prepared:
            class surface:  # noqa: N801
                mask = torch.ones(64, 80, dtype=torch.bool)

        def load(settings: Settings) -> Settings:
            assert settings.mask == str(tmp_path / "mask.png")
            return settings

        monkeypatch.setattr(pipeline, "load", load)
        monkeypatch.setattr(pipeline, "prepare", lambda *_: Prepared)
        return paths

    def test_quantities(self, images: list[Path]) -> None:
        mask = images[0].with_name("mask.png")
        found = rows(scorrnet("noise-floor", *images, "--mask", mask, "--json"), "noise-floor")
        assert [each["quantity"] for each in found] == ["u", "v", "exx", "eyy", "exy"]
        assert [each["unit"] for each in found] == ["px", "px", "1", "1", "1"]
        assert found[0]["spatial"] == pytest.approx(0.01, rel=0.05)
        assert found[0]["temporal"] == 0.0
        assert found[0]["frames"] == 2

    def test_images_that_moved_are_doubted(self, images: list[Path]) -> None:
        asked: tuple[str | Path, ...] = ("noise-floor", *images[:2], "--mask", images[0].with_name("mask.png"))
        result = scorrnet(*asked, "--methods", "linear")
        assert result.exit_code == 0, result.stderr
        assert "moved by 1.2 px on average and may not be of a scene at rest" in result.stderr
        assert "at rest" not in scorrnet(*asked).stderr

    def test_one_image_is_too_few(self, images: list[Path]) -> None:
        result = scorrnet("noise-floor", images[0])
        assert result.exit_code == 3
        assert "nothing to compare" in result.stderr

    def test_images_of_several_sizes(self, images: list[Path]) -> None:
        Image.new("L", (64, 64), 9).save(images[2])
        result = scorrnet("noise-floor", *images, "--mask", images[0].with_name("mask.png"))
        assert result.exit_code == 3
        assert "64 x 64 px" in result.stderr


class TestTruth:
    @pytest.fixture
    def result(self, tmp_path: Path, make_field: Callable[[int, int, int], Field]) -> Path:
        field = make_field(2, 60, 70)
        path = tmp_path / "result.h5"
        with open_writer(path, Header((60, 70), 2, field.reference, field.process)) as writer:
            writer.append(field)
        np.savez(tmp_path / "truth.npz", u=np.nan_to_num(field.u) + 0.5, v=np.nan_to_num(field.v))
        return path

    def test_every_frame_has_its_figures(self, result: Path) -> None:
        found = rows(scorrnet("truth", result, result.with_name("truth.npz"), "--json"), "truth")
        assert [each["frame"] for each in found] == ["Verformt ö_0.tif[0]", "Verformt ö_1.tif[1]"]
        for each in found:
            assert each["mae_u"] == pytest.approx(0.5, rel=1e-5)
            assert each["mae_v"] == pytest.approx(0.0, abs=1e-6)
            assert each["mae_filled_v"] > 0.05
            assert 0.6 < each["valid_share"] < 0.85

    def test_as_a_table(self, result: Path) -> None:
        shown = scorrnet("truth", result, result.with_name("truth.npz")).stdout.splitlines()
        assert len(shown) == 3
        assert "0.5000" in shown[1]

    def test_a_mask_of_another_size(self, result: Path, tmp_path: Path) -> None:
        Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
        failed = scorrnet("truth", result, result.with_name("truth.npz"), "--mask", tmp_path / "mask.png")
        assert failed.exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("star", "--methods", "magic"), 2, "no method 'magic'"),
        (("star", "7"), 2, "no star '7'"),
        (("star", "--plot", "none/star.png"), 7, "does not exist"),
        (("truth", "none.h5", "none.npy"), 2, "no such result"),
        (("nothing",), 2, "No such command"),
        (("synthetic", "--pairs", "0"), 2, "--pairs"),
        (("hard", "--kinds", "magic"), 2, "no kind 'magic'"),
        (("hard", "--json", "--markdown"), 2, "Choose one"),
    ],
)
def test_failures_are_one_line(arguments: tuple[str, ...], code: int, part: str) -> None:
    result = scorrnet(*arguments)
    assert result.exit_code == code
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("scorrnet: error: ")
    assert part in line


def test_a_picture_that_exists_is_kept(tmp_path: Path) -> None:
    picture = tmp_path / "star.png"
    picture.write_text("mine")
    assert scorrnet("star", "--plot", picture, "--methods", "network").exit_code == 7
    assert picture.read_text() == "mine"
    assert scorrnet("star", "--plot", picture, "--methods", "network", "--overwrite").exit_code == 0
    assert picture.stat().st_size > 1000


def test_every_evaluation_explains_itself() -> None:
    listed = scorrnet("--help").stdout
    for command in ("star", "bias", "fields", "sigma", "noise-floor", "synthetic", "truth", "hard"):
        assert command in listed
        shown = scorrnet(command, "--help")
        assert shown.exit_code == 0
        assert f"Usage: scorrnet evaluate {command}" in shown.stdout
