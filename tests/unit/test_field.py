"""Settings are checked and survive JSON; fields keep their arrays together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scorrnet_cli.errors import UsageError
from scorrnet_cli.field import Field, Process
from scorrnet_cli.settings import Settings

MakeField = Callable[[int, int, int], Field]
ARRAYS = ("u", "v", "mask", "valid", "zncc", "sigma_u", "sigma_v", "fallback")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"window_px": 0.5}, "window_px = 0.5"),
        ({"window_px": 65.0}, "window_px = 65.0"),
        ({"window_px": float("nan")}, "window_px = nan"),
        ({"window_px": 5.0, "passes": 0}, "passes = 0"),
        ({"window_px": 5.0, "passes": 101}, "passes = 101"),
        ({"passes": 3}, "Passes are those of one window"),
        ({"roi": (0, 0, 0, 10)}, "roi = (0, 0, 0, 10)"),
        ({"roi": (0, 0, 10)}, "roi = (0, 0, 10)"),
        ({"roi": (10.9, 0, 20.9, 30)}, "whole numbers"),
        ({"roi": ([1], 2, 3, 4)}, "whole numbers"),
        ({"roi": ("a", 2, 3, 4)}, "whole numbers"),
        ({"roi": (True, 2, 3, 4)}, "whole numbers"),
        ({"window_px": True}, "'window_px' has the wrong type"),
        ({"window_px": 5.0, "passes": True}, "'passes' has the wrong type"),
        ({"update": 5}, "'update' has the wrong type"),
    ],
)
def test_settings_out_of_range_name_the_value(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError) as caught:
        Settings(**changes)
    assert word in str(caught.value)
    assert caught.value.exit_code == 2


def test_settings_survive_json(process: Process) -> None:
    settings = process.settings
    again = Settings.from_mapping(json.loads(settings.to_json()))
    assert again == settings
    assert again.roi == (1, 2, 30, 40)
    assert Settings.from_mapping(json.loads(Settings().to_json())) == Settings()


def test_settings_refuse_unknown_names_and_wrong_types() -> None:
    with pytest.raises(UsageError, match=r"Unknown setting 'windw' \(my\.toml\)\. Settings are .*window_px"):
        Settings.from_mapping({"windw": 4}, "my.toml")
    with pytest.raises(UsageError, match=r"'refine' has the wrong type: 'no' \(my\.toml\)"):
        Settings.from_mapping({"refine": "no"}, "my.toml")


def test_files_may_be_paths() -> None:
    settings = Settings(mask=Path("a b") / "mask.png", displacement_weights=Path("w"))  # type: ignore[arg-type]
    assert settings == Settings(mask=str(Path("a b") / "mask.png"), displacement_weights="w")
    assert Settings.from_mapping(json.loads(settings.to_json())) == settings


def test_settings_but_changes_only_what_is_given() -> None:
    settings = Settings(window_px=6.0, passes=3)
    assert settings.but(passes=None, window_px=8.0, refine=False) == Settings(refine=False, window_px=8.0, passes=3)
    assert settings == Settings(window_px=6.0, passes=3)
    with pytest.raises(FrozenInstanceError):
        settings.passes = 4  # type: ignore[misc]


def test_field_tells_its_shape_and_hides_its_process(make_field: MakeField) -> None:
    field = make_field(2, 5, 7)
    assert field.shape == (2, 5, 7)
    assert "process" not in repr(field)


@pytest.mark.parametrize("name", ARRAYS[1:])
def test_field_refuses_arrays_of_another_shape(make_field: MakeField, name: str) -> None:
    field = make_field(2, 5, 7)
    with pytest.raises(ValueError, match=rf"{name} must have the shape of u, \(2, 5, 7\), not \(2, 7, 5\)"):
        replace(field, **{name: getattr(field, name).transpose(0, 2, 1)})


def test_field_refuses_another_number_of_frames(make_field: MakeField) -> None:
    field = make_field(2, 5, 7)
    with pytest.raises(ValueError, match=r"u must be \(T, H, W\) with T = 1, not \(2, 5, 7\)"):
        replace(field, deformed=field.deformed[:1])
    with pytest.raises(ValueError, match=r"not \(5, 7\)"):
        replace(field, u=field.u[0])


def test_stack_puts_fields_behind_each_other(make_field: MakeField) -> None:
    whole = make_field(3, 5, 7)
    parts = []
    for where in (slice(0, 1), slice(1, 3)):
        arrays: dict[str, Any] = {name: getattr(whole, name)[where] for name in ARRAYS}
        parts.append(replace(whole, deformed=whole.deformed[where], **arrays))
    stacked = Field.stack(parts)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(stacked, name), getattr(whole, name))
        assert getattr(stacked, name).dtype == getattr(whole, name).dtype
    assert stacked.deformed == whole.deformed
    assert (stacked.reference, stacked.process) == (whole.reference, whole.process)


@pytest.mark.parametrize(("mask", "file"), [(None, None), ("all", None), ("roi.png", Path("roi.png"))])
def test_the_whole_image_is_no_mask_file(mask: str | None, file: Path | None) -> None:
    assert Settings(mask=mask).mask_file == file
