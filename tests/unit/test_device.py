"""The device asked for is the device that computes, or an error."""

from __future__ import annotations

import pytest
import torch

from scorrnet_cli import device
from scorrnet_cli.device import choose_device, describe, network_precision, trains_channels_last
from scorrnet_cli.errors import DeviceError, UsageError


@pytest.fixture
def cuda_devices(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Pretend that the machine has as many CUDA devices as the test's parameter says."""
    count: int = request.param
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda which: f"GPU {which.index}")
    monkeypatch.setattr(device, "_cpu_has", lambda capability: False)
    monkeypatch.setattr(device, "_try", lambda which: None)


@pytest.mark.parametrize(
    ("cuda_devices", "name", "expected"),
    [
        (0, "auto", "cpu"),
        (0, "cpu", "cpu"),
        (1, "auto", "cuda:0 (GPU 0)"),
        (1, "cpu", "cpu"),
        (1, "cuda", "cuda:0 (GPU 0)"),
        (2, "cuda:1", "cuda:1 (GPU 1)"),
    ],
    indirect=["cuda_devices"],
)
@pytest.mark.usefixtures("cuda_devices")
def test_a_present_device_is_chosen_and_described(name: str, expected: str) -> None:
    assert describe(choose_device(name)) == expected


@pytest.mark.parametrize(
    ("present", "precision", "described", "units"),
    [
        ({"amx_bf16", "avx512_bf16"}, torch.bfloat16, "cpu (bfloat16)", True),
        ({"avx512_bf16"}, torch.bfloat16, "cpu (bfloat16)", False),
        (set(), torch.float32, "cpu", False),
    ],
    ids=["units", "instructions", "neither"],
)
def test_networks_run_in_bfloat16_where_the_processor_can(
    monkeypatch: pytest.MonkeyPatch, present: set[str], precision: torch.dtype, described: str, units: bool
) -> None:
    monkeypatch.setattr(device, "_cpu_has", lambda capability: capability in present)
    cpu = torch.device("cpu")
    with network_precision(cpu):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == precision
    assert describe(cpu) == described
    with network_precision(cpu, units_only=True):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.bfloat16 if units else torch.float32)
    assert trains_channels_last(cpu) == units


@pytest.mark.parametrize("cuda_devices", [0], indirect=True)
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
@pytest.mark.usefixtures("cuda_devices")
def test_absent_cuda_never_falls_back(name: str) -> None:
    with pytest.raises(DeviceError, match=f"device {name}"):
        choose_device(name)


@pytest.mark.parametrize("cuda_devices", [1], indirect=True)
@pytest.mark.usefixtures("cuda_devices")
def test_a_device_that_does_not_work_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(words: str) -> None:
        raise RuntimeError(words)

    monkeypatch.setattr(device, "_try", lambda which: refuse("CUDA error: no kernel image is available"))
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(DeviceError, match="no kernel image"):
        choose_device("cuda")
    monkeypatch.setattr(device, "_try", lambda which: refuse("CUDA error: out of memory"))
    with pytest.raises(DeviceError, match="out of memory"):
        choose_device("auto")


@pytest.mark.parametrize("cuda_devices", [2], indirect=True)
@pytest.mark.usefixtures("cuda_devices")
def test_an_index_out_of_range_says_what_there_is() -> None:
    with pytest.raises(DeviceError, match="cuda:0 to cuda:1"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "cuda:x", "cpu:0", "", "mps"])
def test_an_unknown_name_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match="Unknown device"):
        choose_device(name)
