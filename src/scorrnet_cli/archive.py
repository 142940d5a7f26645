"""The weights archive: a zip of the networks, their model card, and the manifest that vouches for them."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from scorrnet_cli.errors import WeightsError

MANIFEST = "manifest.json"
CARD = "MODEL_CARD.md"
REGISTRY = "registry.txt"
ROLES = ("segmentation", "displacement", "refinement")

_FORMAT_VERSION = 1
_LARGEST_MANIFEST_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_FETCH = "Fetch it again"


@dataclass(frozen=True)
class Member:
    """A file of the archive.

    Attributes
    ----------
    file : str
        Plain file name.
    sha256 : str
        Hash of its bytes.
    bytes : int
        Its unpacked size.
    """

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Network(Member):
    """A network of the archive: its file and all that is known of it.

    Attributes
    ----------
    architecture : str
        Name of the architecture, ``enet``, ``corrnet`` or ``fusion``.
    input : str
        What the network sees, and how it is normalised.
    stride : int
        Image sides are padded to multiples of it, px.
    smallest_image_px : int
        Shortest image side that is accepted.
    displacement_range_px : float or None
        Largest displacement met in training; None for a network that gives none.
    recipe : str
        The training recipe (TOML).
    figures : mapping of str to float
        What was measured on the validation set, unit in the name.
    """

    architecture: str
    input: str
    stride: int
    smallest_image_px: int
    displacement_range_px: float | None
    recipe: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Manifest:
    """What an archive holds.

    Attributes
    ----------
    networks : mapping of str to Network
        By role: ``segmentation``, ``displacement`` and ``refinement``.
    card : Member
        The model card.
    """

    networks: Mapping[str, Network]
    card: Member

    @property
    def members(self) -> tuple[Member, ...]:
        """Every file of the archive but the manifest itself."""
        return (*self.networks.values(), self.card)

    def to_json(self) -> bytes:
        """Write the manifest down."""
        content = {
            "format_version": _FORMAT_VERSION,
            "networks": {role: asdict(network) for role, network in self.networks.items()},
            "card": asdict(self.card),
        }
        return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Manifest:
        """Read a manifest.

        Raises
        ------
        WeightsError
            If it is not a manifest, of another format version, incomplete, or names a path instead of a file.
        """
        try:
            content = json.loads(data)
            version = content["format_version"]
            if version != _FORMAT_VERSION:
                raise WeightsError(
                    f"The weights have format version {version}, this program reads {_FORMAT_VERSION}",
                    where,
                    "Use weights and program of the same release",
                )
            networks = {role: _entry(Network, content["networks"][role]) for role in ROLES}
            manifest = cls(networks, _entry(Member, content["card"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WeightsError(f"The manifest of the weights cannot be read: {error!r}", where) from error
        for member in manifest.members:
            _check_name(member.file, where)
        return manifest


_Entry = TypeVar("_Entry", bound=Member)


def _entry(kind: type[_Entry], values: Mapping[str, Any]) -> _Entry:
    """Make an entry of a manifest; what a later version adds to an entry is passed over."""
    entry = kind(**{item.name: values[item.name] for item in fields(kind)})
    if not (isinstance(entry.file, str) and isinstance(entry.sha256, str) and isinstance(entry.bytes, int)):
        raise TypeError(f"file, sha256 and bytes of {entry.file!r}")
    return entry


def pack(files: Mapping[str, Path], entries: Mapping[str, Mapping[str, Any]], card: Path, to: Path) -> Manifest:
    """Pack trained networks into an archive, and write its registry line beside it.

    The same input gives the same bytes.

    Parameters
    ----------
    files : mapping of str to Path
        By role, the weights, safetensors.
    entries : mapping of str to mapping
        By role, the attributes of :class:`Network` beyond those of :class:`Member`.
    card : Path
        Model card, Markdown.
    to : Path
        The archive to write; ``registry.txt`` in its folder is replaced.

    Raises
    ------
    WeightsError
        If an entry lacks an attribute.
    """
    contents = {f"{role}.safetensors": files[role].read_bytes() for role in ROLES}
    contents[CARD] = card.read_bytes()
    members = {name: {"file": name, "sha256": sha256(data), "bytes": len(data)} for name, data in contents.items()}
    described = {
        "format_version": _FORMAT_VERSION,
        "networks": {role: members[f"{role}.safetensors"] | dict(entries.get(role, {})) for role in ROLES},
        "card": members[CARD],
    }
    manifest = Manifest.from_json(json.dumps(described).encode(), str(to))
    with zipfile.ZipFile(to, "w") as bundle:
        for name, data in {MANIFEST: manifest.to_json(), **contents}.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            bundle.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=9)
    (to.parent / REGISTRY).write_text(f"{to.name} {sha256(to.read_bytes())}\n", encoding="utf-8")
    return manifest


def read_manifest(data: bytes, where: str) -> Manifest:
    """Read the manifest of an archive without unpacking the rest.

    Parameters
    ----------
    data : bytes
        The archive.
    where : str
        Its path, for messages.

    Raises
    ------
    WeightsError
        If it is no archive of weights.
    """
    return _guarded(data, where, None)


def unpack(data: bytes, where: str, folder: Path) -> Manifest:
    """Check an archive and unpack it.

    Parameters
    ----------
    data : bytes
        The archive.
    where : str
        Its path, for messages.
    folder : Path
        An existing empty folder.

    Raises
    ------
    WeightsError
        If it is no sound archive, holds anything that its manifest does not name, or unpacks to more or to
        other bytes than the manifest says.
    OSError
        If the folder cannot be written.
    """
    return _guarded(data, where, folder)


def _guarded(data: bytes, where: str, folder: Path | None) -> Manifest:
    """Read or unpack, with every way in which a zip can be unsound told as one error."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            return _read(bundle, where, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise WeightsError(f"Not a sound weights archive: {error}", where, _FETCH) from error


def _read(bundle: zipfile.ZipFile, where: str, folder: Path | None) -> Manifest:
    for info in bundle.infolist():
        _check_name(info.filename, where)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise WeightsError(f"The archive holds a link, {info.filename!r}", where)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise WeightsError(f"{info.filename!r} is compressed in a way that weights are not", where)
    names = bundle.namelist()
    if MANIFEST not in names:
        raise WeightsError(f"The archive has no {MANIFEST}", where, "Give the archive of scorrnet's weights")
    text = b"".join(_bounded(bundle, MANIFEST, _LARGEST_MANIFEST_BYTES, where))
    manifest = Manifest.from_json(text, where)
    known = {MANIFEST, *(member.file for member in manifest.members)}
    for name in names:
        if name not in known or names.count(name) > 1:
            raise WeightsError(f"The archive holds {name!r} otherwise than its manifest says", where, _FETCH)
    if absent := sorted(known - set(names)):
        raise WeightsError(f"The archive lacks {absent[0]!r}", where, _FETCH)
    if folder is not None:
        for member in manifest.members:
            _unpack_member(bundle, member, where, folder)
        (folder / MANIFEST).write_bytes(text)
    return manifest


def _unpack_member(bundle: zipfile.ZipFile, member: Member, where: str, folder: Path) -> None:
    digest = hashlib.sha256()
    with (folder / member.file).open("wb") as sink:
        for chunk in _bounded(bundle, member.file, member.bytes, where):
            digest.update(chunk)
            sink.write(chunk)
    if digest.hexdigest() != member.sha256:
        raise WeightsError(
            f"{member.file} has sha256 {digest.hexdigest()}, its manifest says {member.sha256}", where, _FETCH
        )


def _bounded(bundle: zipfile.ZipFile, name: str, most_bytes: int, where: str) -> Iterator[bytes]:
    """Read a member and count what comes out: the sizes in a zip's headers are only claims."""
    left = most_bytes
    with bundle.open(name) as source:
        while chunk := source.read(min(_CHUNK_BYTES, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise WeightsError(f"{name} unpacks to more than the {most_bytes} bytes that it should have", where)
            yield chunk


def _check_name(name: str, where: str) -> None:
    if not name or name in (".", "..") or any(sign in name for sign in "/\\:\0"):
        raise WeightsError(f"The archive holds a path that leaves its folder, {name!r}", where)


def sha256(data: bytes) -> str:
    """Hash bytes."""
    return hashlib.sha256(data).hexdigest()
