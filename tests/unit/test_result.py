"""What Python's hands get: strain, pictures and xarray of a measurement."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scorrnet_cli as sc
from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, Process
from scorrnet_cli.settings import Settings
from scorrnet_cli.strain import strain_of, with_strain
from scorrnet_cli.writers import Header, open_writer

ROOT = Path(__file__).parents[2]


@pytest.fixture
def field(make_field: Callable[[int, int, int], Field], process: Process) -> sc.Result:
    """Two frames that are stretched by 2 % along x."""
    made = make_field(2, 40, 56)
    x = np.arange(56, dtype=np.float32)
    u = np.where(made.valid, 0.02 * x, np.nan).astype(np.float32)
    v = np.where(made.valid, 0, np.nan).astype(np.float32)
    process = replace(process, settings=Settings(strain_window_px=9, strain_measure="small"))
    return sc.Result.of(replace(made, u=u, v=v, process=process))


def test_a_result_has_arrays_of_its_own(make_field: Callable[[int, int, int], Field]) -> None:
    field = make_field(1, 40, 56)
    before = field.u.copy(), field.mask.copy()
    mine = sc.Result.of(field)
    mine.u[...] = 0
    mine.mask[...] = False
    assert np.array_equal(field.u, before[0], equal_nan=True) and np.array_equal(field.mask, before[1])


def test_strain_is_taken_as_asked(field: sc.Result) -> None:
    assert np.nanmax(abs(field.strain().exx - 0.02)) < 1e-6
    green = field.strain(window=11, measure="green-lagrange", order=2, weights="gaussian")
    assert np.nanmax(abs(green.exx - (0.02 + 0.5 * 0.02**2))) < 1e-5
    assert (green.window_px, green.order, green.weights) == (11, 2, "gaussian")
    with pytest.raises(UsageError):
        field.strain(window=10)


def test_stored_strain_is_not_taken_again(field: sc.Result) -> None:
    asked = replace(field, process=replace(field.process, settings=field.process.settings.but(strain=True)))
    with_it = sc.Result.of(with_strain(asked))
    assert with_it.strain() is with_it.strain_field
    assert with_it.strain(window=11).window_px == 11


def test_results_are_stacked(field: sc.Result) -> None:
    both = sc.Result.stack([field, field])
    assert both.strain().exx.shape == (4, 40, 56)
    assert both.deformed == field.deformed * 2


def test_results_are_read_back(field: sc.Result, tmp_path: Path) -> None:
    with open_writer(tmp_path / "a.h5", Header((40, 56), 2, field.reference, field.process)) as writer:
        writer.append(field)
    back = sc.read(tmp_path / "a.h5")
    np.testing.assert_array_equal(back.strain().eyy, strain_of(field).eyy)
    with pytest.raises(UsageError, match=r"b\.h5"):
        sc.read(tmp_path / "b.h5")


def test_xarray_has_coordinates_and_units(field: sc.Result) -> None:
    pytest.importorskip("xarray")
    plain = field.to_xarray()
    assert dict(plain.sizes) == {"frame": 2, "y": 40, "x": 56}
    assert (plain.u.attrs["units"], plain.x.attrs["units"]) == ("px", "px")
    assert "time" not in plain.coords
    assert "exx" not in plain
    assert "mm_per_px" not in plain.attrs
    timed = tuple(replace(info, at_s=0.5 * number) for number, info in enumerate(field.deformed))
    full = replace(field, deformed=timed, time_source="a clock", strain_field=field.strain()).with_scale(0.05)
    data = full.to_xarray()
    np.testing.assert_array_equal(data.u.values, field.u)  # in px, whatever the scale
    np.testing.assert_array_equal(data.e1.values, field.strain().e1)
    assert list(data.time.values) == [0.0, 0.5]
    assert (data.time.attrs["units"], data.attrs["mm_per_px"]) == ("s", 0.05)
    assert float(data.u.sel(x=20, frame=0).mean()) == pytest.approx(0.4)


def test_pictures_are_in_px_or_mm(field: sc.Result) -> None:
    pytest.importorskip("matplotlib")

    def words(figure: Any) -> list[str]:
        bars = [bar for axes in figure.axes for bar in axes.child_axes]
        return [axes.get_ylabel() for axes in (*figure.axes, *bars)] + [axes.get_title() for axes in figure.axes]

    assert "$u$ (px)" in words(field.plot("u", "exx"))
    assert "$e_{xx}$ (%)" in words(field.plot("u", "exx"))
    in_mm = words(field.with_scale(0.05).plot(frame=0))
    assert {"$u$ (mm)", "$v$ (mm)", "y (mm)", field.deformed[0].name} <= set(in_mm)
    with pytest.raises(UsageError, match="no field"):
        field.plot("stress")


@pytest.mark.parametrize("missing", ["xarray", "matplotlib"])
def test_what_is_missing_is_told(field: sc.Result, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    act = field.to_xarray if missing == "xarray" else field.plot
    with pytest.raises(UsageError, match=rf"needs {missing}\..*pip install"):
        act()


@pytest.mark.weights
def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("xarray")
    monkeypatch.chdir(ROOT / "examples")
    notebook = json.loads((ROOT / "examples" / "first_measurement.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert cells
    assert all(cell["outputs"] for cell in cells if not "".join(cell["source"]).startswith("%"))
    names: dict[str, Any] = {}
    for cell in cells:
        lines = (line for line in "".join(cell["source"]).splitlines() if not line.startswith("%"))
        exec("\n".join(lines), names)
    assert np.nanmedian(names["error"]) == pytest.approx(0.0, abs=0.001)
    assert np.sqrt(np.nanmean(names["error"] ** 2)) < 0.005


def test_results_of_one_reference_are_put_together_and_no_others(make_field: Callable[[int, int, int], Field]) -> None:
    field = make_field(1, 40, 56)
    parts = (sc.Result.of(field) for _ in range(3))
    assert sc.Result.stack(parts).shape == (3, 40, 56)
    other = replace(field, process=replace(field.process, settings=Settings(refine=False)))
    for wrong in ([], [field, other], [field, make_field(1, 40, 57)]):
        with pytest.raises(UsageError, match="put together"):
            sc.Field.stack(wrong)


def test_fields_are_told_apart_as_objects(make_field: Callable[[int, int, int], Field]) -> None:
    one, other = make_field(1, 40, 56), make_field(1, 40, 56)
    assert one == one and one != other
    assert {one: 1}[one] == 1
    assert other not in [one]


def test_names_are_listed_and_one_path_is_no_sequence() -> None:
    assert {"Field", "Result", "Settings", "Strain", "measure"} <= set(dir(sc))
    with pytest.raises(TypeError, match="sequence of paths"):
        sc.measure_sequence("ref.tif", "def.tif")
