"""On a CUDA device that is emulated: tensors are where they must be, and results are those of the CPU.

Tensors say that they lie on the device, live on the CPU, and must not meet others. That is what a machine without a
GPU can tell of the code for one: operations on tensors of two devices raise here, as they do on CUDA; tensors without
dimensions and copies are the exceptions there, and are here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_flatten, tree_map

from scorrnet_cli import pipeline
from scorrnet_cli.errors import MeasurementError
from scorrnet_cli.field import Field, FrameInfo
from scorrnet_cli.frames import Frame
from scorrnet_cli.instruments import Instruments, load
from scorrnet_cli.numerics.filters import gaussian
from scorrnet_cli.numerics.spline import spline_coefficients, spline_sample
from scorrnet_cli.settings import Settings
from scorrnet_cli.training.recipe import NETWORKS, Recipe, SynthRecipe
from scorrnet_cli.training.rng import Rng
from scorrnet_cli.training.synth import Material
from scorrnet_cli.training.tasks import TASKS
from scorrnet_cli.weights import Role

CUDA = torch.device("cuda", 0)
COPIES = {"aten._to_copy.default", "aten.copy_.default"}
INDEXED = {"aten.index.Tensor", "aten.index_put.default", "aten.index_put_.default", "aten._index_put_impl_.default"}


class OnDevice(Tensor):
    """A tensor whose values lie on the CPU."""

    plain: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> OnDevice:
        size, strides, offset = values.size(), values.stride(), values.storage_offset()
        made: OnDevice = torch.Tensor._make_wrapper_subclass(
            cls, size, strides=strides, storage_offset=offset, dtype=values.dtype, device=torch.device("meta")
        )
        made.plain = values
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is Tensor.new_tensor:
            return OnDevice(torch.tensor(args[1], dtype=given.get("dtype", args[0].dtype)))
        if func is Tensor.tolist:
            return args[0].plain.tolist()
        if func is Tensor.numpy:
            raise TypeError("can't convert a CUDA tensor to numpy")
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **given)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return _computed(func, args, kwargs or {})

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return CUDA

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        return True

    @property
    def is_meta(self) -> bool:  # type: ignore[override]
        return False


class _Device(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees what is made without a tensor, such as zeros."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


@contextmanager
def emulated_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let there be one CUDA device."""
    torch._C._ensureCUDADeviceGuardSet()
    plain = torch.tensor

    def tensor(data: Any, *args: Any, device: Any = None, **kwargs: Any) -> Tensor:
        made = plain(data, *args, **kwargs)
        return OnDevice(made) if _is_ours(device) else made

    with monkeypatch.context() as patch:
        patch.setattr(torch, "tensor", tensor)
        patch.setattr(torch.cuda, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "device_count", lambda: 1)
        patch.setattr(torch.cuda, "get_device_name", lambda _which=None: "emulated")
        patch.setattr(torch.cuda, "empty_cache", lambda: None)
        with _Device():  # type: ignore[no-untyped-call]
            yield


def moved(network: nn.Module) -> nn.Module:
    """Put the parameters and buffers of a network onto the device."""
    for module in network.modules():
        held: list[dict[str, Any]] = [module._parameters, module._buffers]
        for values in held:
            values.update({name: OnDevice(value.detach()) for name, value in values.items() if value is not None})
    return network


def _is_ours(device: Any) -> bool:
    return device is not None and torch.device(device).type in ("cuda", "meta")


def _plain(value: Any) -> Any:
    return value.plain if isinstance(value, OnDevice) else value


def _computed(func: Any, args: Any, kwargs: Any) -> Any:
    """Do on the CPU what is asked for, if it could be done on CUDA, and say where the result is."""
    name = str(func)
    tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
    ours = [value for value in tensors if isinstance(value, OnDevice)]
    _refuse_mixtures(name, args, tensors, bool(ours))
    on_device = isinstance(args[0], OnDevice) if name == "aten.copy_.default" else bool(ours)
    given = dict(kwargs)
    if given.get("device") is not None:
        on_device = _is_ours(given["device"])
        given["device"] = torch.device("cpu")
    if name == "aten._conj.default":
        func = torch.ops.aten.conj_physical.default  # a lazy conjugate of `plain` would be lost
    with _disable_current_modes():
        made = func(*tree_map(_plain, args), **tree_map(_plain, given))
    known = {id(_plain(value)): value for value in tensors}

    def placed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return known.get(id(value), OnDevice(value) if on_device else value)

    return tree_map(placed, made)


def _refuse_mixtures(name: str, args: Any, tensors: list[Tensor], any_ours: bool) -> None:
    """Raise where an operation has tensors of both devices and CUDA would not take them."""
    others = [value for value in tensors if not isinstance(value, OnDevice)]
    if not any_ours or not others or name in COPIES:
        return
    if name in INDEXED:  # indices may lie on the CPU, what is indexed and what is put there may not
        held = [args[0], *args[2:3]]
        if all(isinstance(value, OnDevice) or value.dim() == 0 for value in held if isinstance(value, Tensor)):
            return
    elif all(value.dim() == 0 for value in others):
        return
    raise RuntimeError(f"Expected all tensors to be on the same device: {name}")


HEIGHT, WIDTH = 120, 136


def speckle(seed: int) -> Tensor:
    noise = gaussian(torch.randn(1, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed)), 1.8)[0]
    return 255 * torch.sigmoid(2 * noise / noise.std())


def turned(image: Tensor, degrees: float, shift: tuple[float, float]) -> Tensor:
    """Turn an image about its middle, and shift it by pixels."""
    y, x = torch.meshgrid(torch.arange(float(HEIGHT)), torch.arange(float(WIDTH)), indexing="ij")
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    dx, dy = x - WIDTH / 2 - shift[0], y - HEIGHT / 2 - shift[1]
    back = torch.stack([dx * c + dy * s + WIDTH / 2 - x, dy * c - dx * s + HEIGHT / 2 - y])
    return spline_sample(spline_coefficients(image), back)


def apart(image: Tensor) -> Tensor:
    """Let the right half move off."""
    left, right = image[:, : WIDTH // 2], image[:, WIDTH // 2 : WIDTH - 14].roll(5, 0)
    return torch.cat([left, torch.full((HEIGHT, 14), 20.0), right], 1)


def glinting(image: Tensor) -> Tensor:
    """Let points shine that stay where they are."""
    return torch.where(torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(5)) < 0.004, 255.0, image)


SPECKLE = speckle(0)
PAIRS = {
    "small motion": (SPECKLE, turned(SPECKLE, 1.0, (1.3, -2.4))),
    "turned by 60 degrees": (SPECKLE, turned(SPECKLE, 60.0, (3.0, 2.0))),
    "moved apart": (SPECKLE, apart(SPECKLE)),
    "glints": (glinting(SPECKLE), glinting(turned(SPECKLE, 0.5, (4.0, 1.0)))),
    "another pattern": (SPECKLE, speckle(77)),
}


def measured(instruments: Instruments, reference: Tensor, deformed: Tensor) -> Field | str:
    frames = [Frame(image.numpy(), FrameInfo("made up", "")) for image in (reference, deformed)]
    try:
        return pipeline.measure_pair(instruments, pipeline.prepare(instruments, frames[0]), frames[1])
    except MeasurementError as error:
        return str(error)


def on_device(instruments: Instruments) -> Instruments:
    networks: dict[str, Any] = {
        name: getattr(instruments, name) and moved(getattr(instruments, name))
        for name in ("segmentation", "displacement", "refinement")
    }
    return dataclasses.replace(instruments, where=CUDA, **networks)


@pytest.mark.weights
@pytest.mark.parametrize(
    ("pair", "settings"),
    [
        ("small motion", {"strain": True}),
        *((pair, {"mask": "all"}) for pair in PAIRS),
        ("moved apart", {"mask": "all", "window_px": 5.0}),
        ("small motion", {"mask": "all", "refine": False}),
    ],
)
@pytest.mark.usefixtures("in_float32")  # as on a CUDA device
def test_results_are_those_of_the_cpu(pair: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Settings(device="cpu", **settings)
    with torch.no_grad():
        expected = measured(load(asked), *PAIRS[pair])
        instruments = on_device(load(asked))
        with emulated_cuda(monkeypatch):
            found = measured(instruments, *PAIRS[pair])
    if isinstance(expected, str):
        assert found == expected
        return
    assert isinstance(found, Field)
    for name in ("u", "v", "mask", "valid", "zncc", "sigma_u", "fallback"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_the_emulated_device_refuses_mixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    here = torch.ones(3)
    with emulated_cuda(monkeypatch):
        there = torch.zeros(3, device="cuda")
        assert there.device == CUDA
        assert isinstance(there + 1, OnDevice)
        assert not isinstance(there.cpu(), OnDevice)
        assert (there + torch.tensor(2.0)).tolist() == [2.0, 2.0, 2.0]
        with pytest.raises(RuntimeError, match="same device"):
            _ = there + here
        with pytest.raises(RuntimeError, match="same device"):
            there[:2] = torch.cat([there[:1], here[:1]])
        with pytest.raises(TypeError):
            there.numpy()


class OnDeviceRng(Rng):
    """The numbers of the CPU, on the device."""

    def __init__(self, key: Sequence[int]) -> None:
        super().__init__(key, torch.device("cpu"))
        self.device = CUDA

    def rand(self, *shape: int) -> Tensor:
        return OnDevice(torch.rand(shape, generator=self._generator))

    def randn(self, *shape: int) -> Tensor:
        return OnDevice(torch.randn(shape, generator=self._generator))


@pytest.mark.parametrize("network", NETWORKS)
def test_losses_of_training_are_those_of_the_cpu(network: Role, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [item.name for item in dataclasses.fields(SynthRecipe) if item.name.endswith("_share")]
    shares: dict[str, Any] = dict.fromkeys(names, 0.5)
    recipe = Recipe(network, batch=2, precision="float32", synth=SynthRecipe(size=64, **shares))
    photographs = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(1)
    here = TASKS[network](recipe, torch.device("cpu"), Material(photographs, photographs))
    there = TASKS[network](recipe, torch.device("cpu"), Material(OnDevice(photographs), OnDevice(photographs)))
    there.network.load_state_dict(here.network.state_dict())
    moved(there.network)
    there.device = CUDA
    losses: list[list[float]] = [[], []]
    with torch.no_grad():
        for index in range(3):
            for task, found in zip((here, there), losses, strict=True):
                torch.manual_seed(2)  # drop-out
                if task is here:
                    found.append(float(task.loss(Rng((5, index), torch.device("cpu")))))
                    continue
                with emulated_cuda(monkeypatch):
                    loss = task.loss(OnDeviceRng((5, index)))
                    assert loss.device == CUDA
                    found.append(float(loss))
    assert losses[0] == losses[1]
