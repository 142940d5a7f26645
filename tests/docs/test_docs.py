"""The site is built without a network, documents every command and option, and shows none that does not exist."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

import scorrnet_cli
from scorrnet_cli.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
pytest.importorskip("latex2mathml", reason="the extra docs is not installed")


def load_hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "scripts/docs_hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hooks = load_hooks()
COMMANDS = hooks.commands()
LEAVES = {words: command for words, command in COMMANDS.items() if not getattr(command, "commands", None)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as CI builds it."""
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site")
    source = str(Path(scorrnet_cli.__file__).parents[1])
    env = os.environ | {"PYTHONPATH": source, "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """Collects what a browser fetches to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "img", "iframe", "source", "video"):
            self.addresses.append(given.get("src", ""))
        if tag == "link" and given.get("rel") != "canonical":
            self.addresses.append(given.get("href", ""))


def test_pages_fetch_nothing_from_the_net(site: Path) -> None:
    pages = sorted(site.glob("*.html"))
    assert len(pages) >= len(PAGES) + 2
    for page in pages:
        fetched = Fetched()
        fetched.feed(page.read_text(encoding="utf-8"))
        assert fetched.addresses, page.name
        assert [address for address in fetched.addresses if address.startswith(("http", "//"))] == [], page.name


def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "how.html").read_text(encoding="utf-8")
    assert text.count("<math") > 40
    assert "\ue000" not in text
    assert "$" not in re.sub(r"<(script|style|code).*?</\1>", "", text, flags=re.DOTALL)


def test_the_model_card_is_included(site: Path) -> None:
    text = (site / "model-card.html").read_text(encoding="utf-8")
    assert "Where they fail" in text
    assert "362,444" in text


def test_the_map_of_the_code_has_every_module(site: Path) -> None:
    text = (site / "code.html").read_text(encoding="utf-8")
    listed = re.findall(r"<li>\s*(?:<p>)?<code>(\w+)</code>: (.*)", text)
    files = {path for path in (ROOT / "src/scorrnet_cli").rglob("*.py") if path.stem not in ("__init__", "__main__")}
    folders = {path.parent for path in files} - {ROOT / "src/scorrnet_cli"}
    assert sorted(name for name, _ in listed) == sorted([*(f.stem for f in files), *(f.name for f in folders)])
    assert all(len(purpose) > 10 for _, purpose in listed)


def test_the_reference_has_every_command_and_option(site: Path) -> None:
    text = (site / "commands.html").read_text(encoding="utf-8")
    sections = dict(zip(COMMANDS, re.split(r"<h2 id=", text)[1:], strict=True))
    for words, command in COMMANDS.items():
        assert f"scorrnet {words}<" in sections[words]
        for parameter in command.params:
            for name in (*parameter.opts, *parameter.secondary_opts) if parameter.param_type_name == "option" else ():
                assert re.search(rf"<code>[^<]*(?<![\w-]){re.escape(name)}(?![\w-])", sections[words]), (words, name)


def test_every_option_says_what_it_does() -> None:
    silent = [
        f"{words} {parameter.name}"
        for words, command in LEAVES.items()
        for parameter in command.params
        if not (parameter.help or "").strip()
    ]
    assert silent == []


@pytest.mark.parametrize("words", LEAVES)
def test_every_command_is_explained_on_a_page(words: str) -> None:
    assert any(re.search(rf"scorrnet {words}\b", page.read_text(encoding="utf-8")) for page in PAGES)


def examples(path: Path) -> Iterator[str]:
    """Give the calls of the program in the code of a page."""
    blocks = re.findall(r"```(?:console|bash)\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        yield from re.findall(r"(?:^|\$ |\| |&& )scorrnet ([^|#]*)", line)


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_examples_use_what_there_is(path: Path) -> None:
    for call in examples(path):
        words = shlex.split(call)
        name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
        assert name in COMMANDS, call
        known = {option for each in COMMANDS[name].params for option in (*each.opts, *each.secondary_opts)}
        used = {word.partition("=")[0] for word in words[1:] if re.match(r"-\w|--\w", word)}
        assert used <= known | {"--help"}, call


def test_the_pages_hold_examples() -> None:
    assert sum(len(list(examples(path))) for path in PAGES) > 30


@pytest.mark.parametrize("path", [ROOT / "docs/python.md", ROOT / "README.md"], ids=lambda path: path.name)
def test_the_python_in_the_pages_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="the extra plot is not installed")
    pytest.importorskip("xarray", reason="the extra xarray is not installed")
    monkeypatch.chdir(tmp_path)
    with Image.open(ROOT / "examples/plate_hole/reference.png") as image:
        pixels = np.asarray(image)[150:310, 60:220]
    for name, shift in (("ref", 0), ("def", 2), ("1", 1), ("2", 3)):
        tifffile.imwrite(f"{name}.tif", np.roll(pixels, shift, 1))
    for output in ("def.scorrnet.h5", "deformed.scorrnet.h5", "deformed.tif"):
        assert CliRunner().invoke(app, ["measure", "ref.tif", "def.tif", "--mask", "all", "-o", output]).exit_code == 0
    shape = np.asarray(pixels).shape
    text = path.read_text(encoding="utf-8").replace("252, 450, 252, 60", f"9, 9, 9, {shape[0] - 9}")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 2
    shutil.copy("def.scorrnet.h5", "test.h5")
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)  # each page is read from top to bottom
