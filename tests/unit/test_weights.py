"""Weights are those that were packed, or an error: never others, never more, never elsewhere."""

from __future__ import annotations

import math
import os
import pickle
import re
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from scorrnet_cli import archive, weights
from scorrnet_cli.errors import OutputError, WeightsError
from scorrnet_cli.models.corrnet import CorrNet
from scorrnet_cli.models.enet import ENet, ENets
from scorrnet_cli.models.fusion import FusionNet, FusionNets

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def entry(architecture: str) -> dict[str, Any]:
    return {
        "architecture": architecture,
        "input": "grey",
        "stride": 8,
        "smallest_image_px": 32,
        "displacement_range_px": None,
        "recipe": "steps = 1",
        "figures": {"iou": 0.5},
    }


ENTRIES = {"segmentation": entry("enet"), "displacement": entry("corrnet"), "refinement": entry("fusion")}


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights of every network and a model card."""
    folder = tmp_path_factory.mktemp("networks")
    torch.manual_seed(0)
    save_file(ENet().state_dict(), folder / "segmentation.safetensors")
    save_file(CorrNet().state_dict(), folder / "displacement.safetensors")
    save_file(FusionNet().state_dict(), folder / "refinement.safetensors")
    (folder / "card.md").write_text("# Random weights\n")
    return folder


def pack(source: Path, to: Path, entries: dict[str, dict[str, Any]] | None = None) -> archive.Manifest:
    return archive.pack(
        {role: source / f"{role}.safetensors" for role in archive.ROLES},
        ENTRIES if entries is None else entries,
        source / "card.md",
        to,
    )


@pytest.fixture(scope="session")
def packed(networks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an archive of real networks and its registry."""
    folder = tmp_path_factory.mktemp("packed")
    pack(networks, folder / weights.ARCHIVE)
    return folder


@pytest.fixture
def home(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that stands for the bundled one, with an empty cache at ``tmp_path / "cache"``."""
    folder = tmp_path / "home"
    shutil.copytree(packed, folder)
    monkeypatch.setattr(weights, "_HOMES", (folder,))
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An archive of a few hundred bytes with files that are no networks, without a registry beside it."""
    source = tmp_path / "small"
    source.mkdir()
    (source / "segmentation.safetensors").write_bytes(b"s" * 500)
    (source / "displacement.safetensors").write_bytes(bytes(range(256)))
    (source / "refinement.safetensors").write_bytes(bytes(64))
    (source / "card.md").write_text("# Card\n")
    pack(source, source / "small.zip")
    (source / archive.REGISTRY).unlink()
    return source / "small.zip"


def rewrite(path: Path, change: Callable[[dict[str, bytes]], Any]) -> None:
    """Change the members of an archive, by name."""
    with zipfile.ZipFile(path) as bundle:
        members = {name: bundle.read(name) for name in bundle.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in members.items():
            bundle.writestr(name, data)


class TestPacking:
    def test_the_same_networks_give_the_same_bytes_and_registry(self, networks: Path, tmp_path: Path) -> None:
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            pack(networks, tmp_path / name / "a.zip")
            os.utime(networks / "card.md", (0, 0))
        one, two = ((tmp_path / name / "a.zip").read_bytes() for name in ("one", "two"))
        assert one == two
        assert (tmp_path / "one" / archive.REGISTRY).read_text() == f"a.zip {archive.sha256(one)}\n"

    def test_a_network_that_is_not_described_is_not_packed(self, networks: Path, tmp_path: Path) -> None:
        lacking = {role: {**facts} for role, facts in ENTRIES.items()}
        del lacking["displacement"]["stride"]
        with pytest.raises(WeightsError, match="stride"):
            pack(networks, tmp_path / "a.zip", lacking)
        assert not (tmp_path / "a.zip").exists()

    def test_the_manifest_survives_the_round_trip(self, networks: Path, tmp_path: Path) -> None:
        manifest = pack(networks, tmp_path / "a.zip")
        assert archive.read_manifest((tmp_path / "a.zip").read_bytes(), "a.zip") == manifest
        assert manifest.networks["segmentation"].figures == {"iou": 0.5}


class TestExtraction:
    def test_the_folder_holds_what_was_packed_and_is_named_by_hash(self, home: Path, networks: Path) -> None:
        folder = weights.extract()
        digest = archive.sha256((home / weights.ARCHIVE).read_bytes())
        assert folder == weights.cache_folder() / f"scorrnet-weights-{digest[:16]}"
        for role in archive.ROLES:
            name = f"{role}.safetensors"
            assert (folder / name).read_bytes() == (networks / name).read_bytes()
        assert (folder / archive.CARD).read_text() == "# Random weights\n"
        assert list(folder.parent.iterdir()) == [folder]

    def test_a_second_time_changes_nothing(self, home: Path) -> None:
        before = (weights.extract() / archive.MANIFEST).stat()
        after = (weights.extract() / archive.MANIFEST).stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    @pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"damaged"), Path.unlink])
    def test_a_damaged_folder_is_replaced(self, home: Path, networks: Path, damage: Callable[[Path], Any]) -> None:
        damage(weights.extract() / "displacement.safetensors")
        folder = weights.extract()
        name = "displacement.safetensors"
        assert (folder / name).read_bytes() == (networks / name).read_bytes()
        assert list(folder.parent.iterdir()) == [folder]

    def test_runs_that_unpack_at_once_all_find_it_whole(self, home: Path) -> None:
        with ThreadPoolExecutor(4) as pool:
            folders = list(pool.map(lambda _: weights.extract(), range(8)))
        assert len(set(folders)) == 1
        assert weights.extract() == folders[0]

    def test_to_is_used_instead_of_the_cache(self, home: Path, tmp_path: Path) -> None:
        assert weights.extract(to=tmp_path / "mine").parent == tmp_path / "mine"
        assert not weights.cache_folder().exists()

    def test_a_cache_that_cannot_be_written_names_the_variable(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").write_text("not a folder")
        monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
        with pytest.raises(OutputError, match=r"SCORRNET_CACHE.*--to DIR"):
            weights.extract()

    def test_without_the_variable_the_users_cache_is_used(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(weights.CACHE_VARIABLE, raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert weights.cache_folder().name == "scorrnet"

    def test_missing_bundled_weights_are_said(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(weights, "_HOMES", (tmp_path,))
        with pytest.raises(WeightsError, match="missing"):
            weights.extract()


class TestRefusal:
    def refuse(self, path: Path, reason: str, to: Path) -> None:
        with pytest.raises(WeightsError, match=reason):
            weights.extract(path, to)
        assert not to.exists() or not list(to.iterdir())

    @pytest.mark.parametrize("relabel", [False, True])
    def test_a_wrong_hash_gives_both(self, home: Path, tmp_path: Path, relabel: bool) -> None:
        path = home / weights.ARCHIVE
        wanted = archive.sha256(path.read_bytes())
        rewrite(path, dict.copy)
        found = archive.sha256(path.read_bytes())
        if relabel:  # elsewhere, under the name of the bundled archive
            other = tmp_path / "other" / weights.ARCHIVE
            other.parent.mkdir()
            path = path.rename(other)
        assert found != wanted
        self.refuse(path, f"sha256 {found}, not {wanted}", tmp_path / "to")

    def test_bundled_weights_must_be_registered(self, home: Path) -> None:
        (home / archive.REGISTRY).unlink()
        with pytest.raises(WeightsError, match=r"registry\.txt"):
            weights.extract()

    @pytest.mark.parametrize(
        "name", ["../evil", "/evil", "folder/evil", "..", "..\\evil", "C:evil", "folder/", "./manifest.json"]
    )
    def test_a_path_that_leaves_the_folder(self, small: Path, tmp_path: Path, name: str) -> None:
        rewrite(small, lambda members: members.update({name: b"evil"}))
        self.refuse(small, "leaves its folder", tmp_path / "to")
        assert not list(tmp_path.rglob("evil"))

    def test_a_manifest_that_names_a_path(self, small: Path, tmp_path: Path) -> None:
        def change(members: dict[str, bytes]) -> None:
            members["manifest.json"] = members["manifest.json"].replace(b"MODEL_CARD.md", b"../evil")

        rewrite(small, change)
        self.refuse(small, "leaves its folder", tmp_path / "to")

    def test_a_link(self, small: Path, tmp_path: Path) -> None:
        info = zipfile.ZipInfo("link")
        info.create_system = 3
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(small, "a") as bundle:
            bundle.writestr(info, "/etc/passwd")
        self.refuse(small, "a link", tmp_path / "to")

    def test_a_member_that_the_manifest_does_not_name(self, small: Path, tmp_path: Path) -> None:
        rewrite(small, lambda members: members.update({"extra.py": b""}))
        self.refuse(small, r"extra\.py", tmp_path / "to")

    def test_a_member_that_is_there_twice(self, small: Path, tmp_path: Path) -> None:
        with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(small, "a") as bundle:
            bundle.writestr(archive.CARD, "another")
        self.refuse(small, r"MODEL_CARD\.md", tmp_path / "to")

    @pytest.mark.parametrize("name", [archive.CARD, archive.MANIFEST, "segmentation.safetensors"])
    def test_a_member_that_is_missing(self, small: Path, tmp_path: Path, name: str) -> None:
        rewrite(small, lambda members: members.pop(name))
        self.refuse(small, re.escape(name), tmp_path / "to")

    def test_more_than_the_manifest_says_stops_at_once(
        self, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rewrite(small, lambda members: members.update({"displacement.safetensors": bytes(50_000_000)}))
        read = 0
        genuine = zipfile.ZipExtFile.read

        def counted(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
            nonlocal read
            data = genuine(self, n)
            read += len(data)
            return data

        monkeypatch.setattr(zipfile.ZipExtFile, "read", counted)
        self.refuse(small, "more than the 256 bytes", tmp_path / "to")
        assert read < 10_000

    def test_a_header_that_lies_about_the_size(self, small: Path, tmp_path: Path) -> None:
        rewrite(small, lambda members: members.update({"displacement.safetensors": bytes(5000)}))
        data = small.read_bytes()
        assert data.count(struct.pack("<L", 5000)) == 2
        small.write_bytes(data.replace(struct.pack("<L", 5000), struct.pack("<L", 256)))
        self.refuse(small, "Not a sound weights archive", tmp_path / "to")

    def test_other_bytes_than_the_manifest_says(self, small: Path, tmp_path: Path) -> None:
        rewrite(small, lambda members: members.update({"displacement.safetensors": bytes(256)}))
        digest = archive.sha256(bytes(256))
        self.refuse(small, f"{digest}, its manifest says {archive.sha256(bytes(range(256)))}", tmp_path / "to")

    @pytest.mark.parametrize(
        "manifest", [b"", b"[]", b"{}", b'{"format_version": 2}', b'{"format_version": 1}', b"\xff"]
    )
    def test_a_manifest_that_is_none(self, small: Path, tmp_path: Path, manifest: bytes) -> None:
        rewrite(small, lambda members: members.update({archive.MANIFEST: manifest}))
        self.refuse(small, "manifest|version", tmp_path / "to")

    @pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all" * 100])
    def test_what_is_no_zip(self, small: Path, tmp_path: Path, content: bytes) -> None:
        small.write_bytes(content)
        self.refuse(small, "Not a sound weights archive", tmp_path / "to")

    def test_what_is_not_there(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "none.zip", "No such file", tmp_path / "to")
        self.refuse(tmp_path, "directory", tmp_path / "to")

    def test_every_truncation_and_every_flipped_byte(self, small: Path, tmp_path: Path) -> None:
        """Damage is refused or, as in a time stamp, without any effect; nothing else is raised."""
        whole = small.read_bytes()
        folder = tmp_path / "to"
        folder.mkdir()
        manifest = archive.unpack(whole, "", folder)
        damaged = [whole[:end] for end in range(0, len(whole), 7)]
        for index in range(len(whole)):
            flipped = bytearray(whole)
            flipped[index] ^= 0xFF
            damaged.append(bytes(flipped))
        refused = 0
        for data in damaged:
            try:
                assert archive.unpack(data, "", folder) == manifest
            except WeightsError:
                refused += 1
        assert refused > 0.8 * len(damaged)


class TestLoading:
    @pytest.mark.parametrize(("role", "kind"), [("segmentation", ENet), ("displacement", CorrNet)])
    def test_bundled_weights_load_on_first_use(
        self, home: Path, networks: Path, role: weights.Role, kind: type[torch.nn.Module]
    ) -> None:
        network, digest = weights.load_network(role, CPU)
        mine, same_digest = weights.load_network(role, CPU, networks / f"{role}.safetensors")
        assert isinstance(network, kind)
        assert not network.training
        assert digest == same_digest == archive.sha256((networks / f"{role}.safetensors").read_bytes())
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, mine.state_dict()[name])

    def test_a_network_without_shortcuts_loads_as_it_was_published(self, tmp_path: Path) -> None:
        published = ENet(shortcuts=False).state_dict()
        save_file(published, tmp_path / "mine.safetensors")
        network, _ = weights.load_network("segmentation", CPU, tmp_path / "mine.safetensors")
        assert set(network.state_dict()) == set(published)

    def test_tensors_that_are_no_weights_are_refused(self, tmp_path: Path) -> None:
        sound = {name: value.contiguous() for name, value in CorrNet().state_dict().items()}
        name = next(iter(sound))
        for tensor, said in (
            (sound[name].to(torch.int8), "int8"),
            (torch.full_like(sound[name], math.nan), "no number"),
        ):
            save_file(sound | {name: tensor}, tmp_path / "mine.safetensors")
            with pytest.raises(WeightsError, match=rf"{re.escape(name)}.*{said}.*mine\.safetensors"):
                weights.load_network("displacement", CPU, tmp_path / "mine.safetensors")

    def test_several_networks_in_one_file_are_asked_together(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        first, second = ENet().eval(), ENet().eval()
        two = {name: value.contiguous() for name, value in ENets([first, second]).state_dict().items()}
        save_file(two, tmp_path / "mine.safetensors")
        network, _ = weights.load_network("segmentation", CPU, tmp_path / "mine.safetensors")
        assert isinstance(network, ENets)
        image = torch.rand(1, 1, 64, 48)
        mean = (first(image).softmax(1) + second(image).softmax(1)) / 2
        torch.testing.assert_close(network(image).exp(), mean)
        del two["1.transposed_conv.weight"]
        save_file(two, tmp_path / "mine.safetensors")
        with pytest.raises(WeightsError, match=r"1\.transposed_conv\.weight is missing"):
            weights.load_network("segmentation", CPU, tmp_path / "mine.safetensors")

    def test_several_refinement_networks_in_one_file_take_turns(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        pairs = [FusionNet(), FusionNet()]
        save_file(FusionNets(pairs).state_dict(), tmp_path / "mine.safetensors")
        network, _ = weights.load_network("refinement", CPU, tmp_path / "mine.safetensors")
        assert isinstance(network, FusionNets)
        for loaded, pair in zip(network.seconds, pairs, strict=True):
            assert torch.equal(loaded.first.weight, pair.second.first.weight)

    def test_weights_of_the_other_network_are_refused(self, networks: Path) -> None:
        with pytest.raises(WeightsError, match="another segmentation network: initial_block"):
            weights.load_network("segmentation", CPU, networks / "displacement.safetensors")

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda state: state.pop("transposed_conv.weight"), "transposed_conv.weight is missing"),
            (lambda state: state.pop("shortcut5.conv.weight"), "shortcut5.conv.weight is missing"),
            (lambda state: state.update(extra=torch.zeros(1)), "extra is not part of it"),
            (
                lambda state: state.update({"transposed_conv.weight": torch.zeros(16, 3, 3, 3)}),
                r"transposed_conv.weight has shape \(16, 3, 3, 3\), not \(16, 2, 3, 3\)",
            ),
        ],
    )
    def test_loading_is_strict(
        self, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], Any], reason: str
    ) -> None:
        state = dict(ENet().state_dict())
        change(state)
        save_file(state, tmp_path / "mine.safetensors")
        with pytest.raises(WeightsError, match=reason):
            weights.load_network("segmentation", CPU, tmp_path / "mine.safetensors")

    def test_a_pickled_checkpoint_is_not_opened(self, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (tmp_path / "evil",)

        (tmp_path / "mine.pth").write_bytes(pickle.dumps(Evil()))
        with pytest.raises(WeightsError, match="Not a safetensors file"):
            weights.load_network("segmentation", CPU, tmp_path / "mine.pth")
        assert not (tmp_path / "evil").exists()

    def test_missing_weights_never_become_the_bundled_ones(self, home: Path, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"none\.safetensors"):
            weights.load_network("segmentation", CPU, tmp_path / "none.safetensors")

    def test_an_archive_for_another_architecture_is_refused(self, home: Path, networks: Path) -> None:
        pack(networks, home / weights.ARCHIVE, {**ENTRIES, "segmentation": entry("unet")})
        with pytest.raises(WeightsError, match="'unet', not 'enet'"):
            weights.load_network("segmentation", CPU)


def test_the_wheel_carries_the_archive_where_it_is_found(packed: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(packed, tree / "weights")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    (tree / "README.md").write_text("# scorrnet\n")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    installed = tmp_path / "site"
    with zipfile.ZipFile(wheel) as bundle:
        bundle.extractall(installed)
    code = "from scorrnet_cli import weights; print(weights.bundled_archive()); weights.bundled_manifest()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(done.stdout.strip()) == installed / "scorrnet_cli" / "_weights" / weights.ARCHIVE


@pytest.mark.weights
class TestBundled:
    def test_they_are_small_sound_and_described(self) -> None:
        manifest, _ = weights.bundled_manifest()
        assert weights.bundled_archive().stat().st_size < 20_000_000
        for network in manifest.networks.values():
            assert network.figures
            assert network.recipe

    @pytest.mark.parametrize("role", archive.ROLES)
    def test_they_load(self, role: weights.Role, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path))
        network, digest = weights.load_network(role, CPU)
        manifest, _ = weights.bundled_manifest()
        assert digest == manifest.networks[role].sha256
        assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())
