"""What MkDocs is given beside the pages in docs/: the command reference, the map of the code, the model card,
pictures, and formulas.

All of it is made while the site is built and without a network: the reference from the program's own command line,
the map from its modules, formulas as MathML, which browsers draw by themselves.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from latex2mathml.converter import convert

from scorrnet_cli.cli import app

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src/scorrnet_cli"
_PICTURES = {
    "plate_hole.png": ROOT / "examples/plate_hole/result.png",
    "hard_masks.png": ROOT / "weights/hard_masks.png",
    "hard_fields.png": ROOT / "weights/hard_fields.png",
}
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)
_BLOCK, _INLINE = re.compile(r"\$\$(.+?)\$\$", re.DOTALL), re.compile(r"\$(?!\s)([^$\n]+?)(?<!\s)\$")
_MODULES = "<!-- modules -->"
_FORMULAS, _MARK = "formulas", "\ue000"
_MARKUP = re.compile(r"\[bold\](.*?)\[/bold\]")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that are not in docs/."""
    from mkdocs.structure.files import File

    card = (ROOT / "weights/MODEL_CARD.md").read_text(encoding="utf-8")
    for name, content in (("model-card.md", card), ("commands.md", reference())):
        files.append(File.generated(config, name, content=content))
    for name, path in _PICTURES.items():
        files.append(File.generated(config, name, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Take the TeX between dollars out of a page, outside of code, and put a mark in its place.

    Markdown would take underscores for emphasis, and a formula at the beginning of a line for a block.
    """
    formulas: list[str] = []
    page.meta[_FORMULAS] = formulas

    def keep(html: str) -> str:
        formulas.append(html)
        return f"{_MARK}{len(formulas) - 1}{_MARK}"

    if _MODULES in markdown:
        markdown = markdown.replace(_MODULES, modules())

    def taken(text: str) -> str:
        text = _BLOCK.sub(
            lambda found: keep(f'<span class="formula">{convert(found[1].strip(), display="block")}</span>'), text
        )
        return _INLINE.sub(lambda found: keep(convert(found[1])), text)

    parts = _CODE.split(markdown)
    return "".join(part if index % 2 else taken(part) for index, part in enumerate(parts))


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Put the formulas, as MathML, where their marks are."""
    formulas = page.meta[_FORMULAS]
    return re.sub(f"{_MARK}(\\d+){_MARK}", lambda found: formulas[int(found[1])], html)


def modules() -> str:
    """List all modules with what they are for, from those that use others down to those that are used."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    names = [name.strip() for layer in contracts[0]["layers"] for name in layer.split("|")]
    return "\n".join(line for name in names for line in _entries(PACKAGE / name, ""))


def _entries(path: Path, indent: str) -> Iterator[str]:
    """Give the line of a module, or of a package and of all that it holds."""
    is_package = path.is_dir()
    code = (path / "__init__.py" if is_package else path.with_suffix(".py")).read_text(encoding="utf-8")
    purpose = (ast.get_docstring(ast.parse(code)) or "").split("\n\n")[0]
    yield f"{indent}* `{path.name}`: {' '.join(purpose.split())}"
    if is_package:
        inner = {
            each.with_suffix("") for each in path.iterdir() if each.suffix == ".py" or (each / "__init__.py").exists()
        }
        for each in sorted(inner - {path / "__init__"}):
            yield from _entries(each, f"{indent}    ")


def commands() -> dict[str, Any]:
    """Return every command of the program by its words, such as ``evaluate star``, those of groups after the group."""
    found: dict[str, Any] = {}

    def walk(words: str, command: Any) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            if inner.hidden:
                continue
            path = f"{words} {name}".strip()
            found[path] = inner
            walk(path, inner)

    walk("", typer.main.get_command(app))
    return found


def reference() -> str:
    """Write the page of all commands, arguments and options."""
    lines = [
        "# Commands",
        "",
        "Made from the program itself; `scorrnet COMMAND --help` says the same.",
        "",
        "What every option means that several commands share, such as the settings, is the same everywhere. Results go "
        "to stdout, notes and progress to stderr; the [exit codes](files.md#exit-codes) are those of the error.",
    ]
    for words, command in commands().items():
        lines += ["", f"## scorrnet {words}", "", *_described(words, command)]
    return "\n".join(lines) + "\n"


def _described(words: str, command: Any) -> list[str]:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    usage = " ".join(["scorrnet", words, *(_placeholder(each) for each in arguments)])
    lines = ["```console", f"$ {usage}{' [OPTIONS]' if options else ''}", "```", "", *_help(command.help or "")]
    for title, parameters in (("Arguments", arguments), ("Options", options)):
        if parameters:
            lines += ["", f"**{title}**", "", *(f"- {_name(each)}: {_text(each)}" for each in parameters)]
    return lines


def _help(text: str) -> list[str]:
    """Return the description; lines of an example, in bold there, and tables stand as code."""
    lines = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        example = _MARKUP.fullmatch(paragraph.strip())
        if example:
            lines += ["```console", f"$ {example[1]}", "```", ""]
        elif re.search(r"\w {3,}\w", paragraph):
            lines += ["```text", *(line.strip() for line in paragraph.splitlines()), "```", ""]
        else:
            lines += [" ".join(line.strip() for line in _MARKUP.sub(r"`\1`", _escaped(paragraph)).splitlines()), ""]
    return lines


def _escaped(text: str) -> str:
    """Keep Markdown from taking names in angle brackets for tags, and stars for emphasis."""
    return text.replace("<", "&lt;").replace("*", r"\*")


def _name(parameter: Any) -> str:
    """Return an argument or option as it is written, with what stands for its value."""
    if parameter.param_type_name == "argument":
        return f"`{_placeholder(parameter)}`"
    names = ", ".join((*parameter.opts, *parameter.secondary_opts))
    return f"`{f'{names} {_value(parameter)}'.strip()}`"


def _placeholder(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper())


def _value(option: Any) -> str:
    """Return what stands for the value, as the help shows it: a name, or the words to choose from."""
    if option.is_flag:
        return ""
    kind = option.type_descriptor.annotation
    if option.metavar is None and isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(choice.value) for choice in kind)
    return str(option.metavar or kind.__name__.upper())


def _text(parameter: Any) -> str:
    """Return the help of a parameter, with its default if it has one that tells something."""
    text = _escaped(str(parameter.help or "").strip())
    default = parameter.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    if parameter.param_type_name == "option" and plain and default != "" and "Default" not in text:
        text += f" Default: `{getattr(default, 'value', default)}`."
    return text
