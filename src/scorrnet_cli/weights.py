"""Trained weights: where they are, whether they are whole, and how they become networks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from scorrnet_cli import archive
from scorrnet_cli.archive import MANIFEST, REGISTRY, Manifest, sha256
from scorrnet_cli.errors import OutputError, WeightsError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from scorrnet_cli.models.corrnet import CorrNet
    from scorrnet_cli.models.enet import Segmenter
    from scorrnet_cli.models.fusion import Fuser

Role: TypeAlias = Literal["segmentation", "displacement", "refinement"]

ARCHIVE = "scorrnet-weights.zip"
CACHE_VARIABLE = "SCORRNET_CACHE"

_PACKAGE = Path(__file__).resolve().parent
_HOMES = (_PACKAGE / "_weights", _PACKAGE.parents[1] / "weights")
_OURS = "Give a file that scorrnet train wrote for this network, or none for the bundled weights"
_ARCHITECTURES = {"segmentation": "enet", "displacement": "corrnet", "refinement": "fusion"}


def bundled_archive() -> Path:
    """Find the archive that comes with this program: in the installed package, or in the source tree.

    Raises
    ------
    WeightsError
        If there is none.
    """
    for folder in _HOMES:
        if (folder / ARCHIVE).is_file():
            return folder / ARCHIVE
    raise WeightsError("The bundled weights are missing", ARCHIVE, "Install scorrnet again")


def cache_folder() -> Path:
    """Return the folder where weights are unpacked: ``SCORRNET_CACHE``, or the user's cache."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("scorrnet", appauthor=False)


def bundled_manifest() -> tuple[Manifest, str]:
    """Read what the bundled archive holds, without unpacking it.

    Returns
    -------
    Manifest
        Networks and model card.
    str
        The sha256 of the archive.

    Raises
    ------
    WeightsError
        If the archive is missing or damaged.
    """
    path = bundled_archive()
    data, digest = _checked_bytes(path)
    return archive.read_manifest(data, str(path)), digest


def extract(source: Path | None = None, to: Path | None = None) -> Path:
    """Check an archive of weights and unpack it, unless that has been done.

    Every archive gets a folder of its own, named by its hash, so that versions never mix. The folder appears
    whole or not at all; one that has been damaged since is replaced.

    Parameters
    ----------
    source : Path, optional
        The archive; the bundled one if None. Its hash is checked against ``registry.txt`` beside it, or if
        that does not name it, beside the bundled one.
    to : Path, optional
        Folder to make that folder in; :func:`cache_folder` if None.

    Returns
    -------
    Path
        The folder with the unpacked files.

    Raises
    ------
    WeightsError
        If the archive is missing, damaged, has another hash than registered, or holds what it should not.
    OutputError
        If the folder cannot be written.
    """
    path = bundled_archive() if source is None else source
    data, digest = _checked_bytes(path)
    parent = cache_folder() if to is None else to
    folder = parent / f"{path.stem}-{digest[:16]}"
    if not _is_whole(folder):
        try:
            _unpack_atomically(data, path, folder)
        except OSError as error:
            raise OutputError(
                f"The weights cannot be unpacked: {error.strerror}",
                str(parent),
                f"Set {CACHE_VARIABLE} to another folder, or unpack with scorrnet extract-weights --to DIR",
            ) from error
    return folder


@overload
def load_network(
    role: Literal["segmentation"], device: torch.device, path: Path | None = None
) -> tuple[Segmenter, str]: ...
@overload
def load_network(
    role: Literal["displacement"], device: torch.device, path: Path | None = None
) -> tuple[CorrNet, str]: ...
@overload
def load_network(role: Literal["refinement"], device: torch.device, path: Path | None = None) -> tuple[Fuser, str]: ...
@overload
def load_network(role: Role, device: torch.device, path: Path | None = None) -> tuple[nn.Module, str]: ...
def load_network(role: Role, device: torch.device, path: Path | None = None) -> tuple[nn.Module, str]:
    """Load a trained network; the bundled weights are unpacked on first use.

    Parameters
    ----------
    role : str
        ``segmentation``, ``displacement`` or ``refinement``.
    device : torch.device
        Where the network is to compute.
    path : Path, optional
        The user's own weights (safetensors); the bundled ones if None.

    Returns
    -------
    ENet or ENets, CorrNet, FusionNet or FusionNets
        The network, in evaluation mode, on the device.
    str
        The sha256 of its weights.

    Raises
    ------
    WeightsError
        If the weights are missing, have another hash than the manifest says, are no safetensors, or were made
        for another network.
    OutputError
        If the bundled weights cannot be unpacked.
    """
    if path is not None:
        data = _read(path)
        return _build(role, data, str(path), device), sha256(data)
    folder = extract()
    entry = Manifest.from_json(_read(folder / MANIFEST), str(folder)).networks[role]
    path = folder / entry.file
    data = _read(path)
    _check_hash(data, entry.sha256, path)
    if entry.architecture != _ARCHITECTURES[role]:
        raise WeightsError(
            f"The weights are for the architecture {entry.architecture!r}, not {_ARCHITECTURES[role]!r}",
            str(path),
            "Install scorrnet again",
        )
    return _build(role, data, str(path), device), entry.sha256


def _build(role: Role, data: bytes, where: str, device: torch.device) -> nn.Module:
    import safetensors
    import safetensors.torch

    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:  # of kinds of numbers that torch has not
        raise WeightsError(f"Not a safetensors file that can be read: {error}", where, _OURS) from error
    network = _new_network(role, tensors)
    if difference := _difference(network.state_dict(), tensors):
        raise WeightsError(f"The weights were made for another {role} network: {difference}", where, _OURS)
    network.load_state_dict(tensors, strict=True)
    return _convolving_fast(network.to(device).eval())


def _convolving_fast(network: nn.Module) -> nn.Module:
    """Lay the weights out as the fastest convolutions want them."""
    import torch

    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _new_network(role: Role, tensors: dict[str, torch.Tensor]) -> nn.Module:
    several = len({number for name in tensors if (number := name.partition(".")[0]).isdecimal()})
    if role == "segmentation":
        from scorrnet_cli.models.enet import ENet, ENets

        if several:
            return ENets([ENet() for _ in range(several)])
        return ENet(shortcuts=any(name.startswith("shortcut") for name in tensors))
    if role == "refinement":
        from scorrnet_cli.models.fusion import FusionNet, FusionNets

        return FusionNets([FusionNet() for _ in range(several)]) if several else FusionNet()
    from scorrnet_cli.models.corrnet import CorrNet

    return CorrNet()


def _difference(wanted: dict[str, torch.Tensor], given: dict[str, torch.Tensor]) -> str:
    """Say the first way in which tensors differ from those that a network has; empty if they fit."""
    for name, tensor in wanted.items():
        if name not in given:
            return f"{name} is missing"
        if given[name].shape != tensor.shape:
            return f"{name} has shape {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
        if given[name].is_floating_point() != tensor.is_floating_point():
            return f"{name} is of {given[name].dtype}, not {tensor.dtype}"
        if bool(given[name].isnan().any()):
            return f"{name} holds what is no number"
    surplus = sorted(set(given) - set(wanted))
    return f"{surplus[0]} is not part of it" if surplus else ""


def _checked_bytes(path: Path) -> tuple[bytes, str]:
    """Read an archive and check it against the registry; return its bytes and their sha256."""
    data = _read(path)
    registered = _registered_hash(path)
    if registered is not None:
        _check_hash(data, registered, path)
    return data, sha256(data)


def _registered_hash(path: Path) -> str | None:
    """Look an archive's hash up by its file name, in the registry beside it and then in the bundled one."""
    for folder in (path.parent, *_HOMES):
        if (folder / REGISTRY).is_file():
            for line in _read(folder / REGISTRY).decode(errors="replace").splitlines():
                name, _, digest = line.partition(" ")
                if name == path.name:
                    return digest.strip()
    if path.parent in _HOMES:
        raise WeightsError(f"{REGISTRY} does not name the bundled weights", str(path), "Install scorrnet again")
    return None


def _check_hash(data: bytes, wanted: str, path: Path) -> None:
    found = sha256(data)
    if found != wanted:
        raise WeightsError(f"{path.name} has sha256 {found}, not {wanted}", str(path), "Fetch or install it again")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights cannot be read: {error.strerror}", str(path), "Check the name") from error


def _is_whole(folder: Path) -> bool:
    """Whether an unpacked folder still holds what its manifest says."""
    try:
        manifest = Manifest.from_json((folder / MANIFEST).read_bytes(), str(folder))
        return all(sha256((folder / item.file).read_bytes()) == item.sha256 for item in manifest.members)
    except (OSError, WeightsError):
        return False


def _unpack_atomically(data: bytes, path: Path, folder: Path) -> None:
    """Unpack beside the final folder and rename."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder.parent, ignore_cleanup_errors=True) as work:
        fresh = Path(work) / "fresh"
        fresh.mkdir()
        archive.unpack(data, str(path), fresh)
        try:
            fresh.rename(folder)
        except OSError:
            if not _is_whole(folder):  # else another process was quicker, which is as good
                folder.rename(Path(work) / "damaged")
                fresh.rename(folder)
