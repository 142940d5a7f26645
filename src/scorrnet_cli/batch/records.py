"""What a run notes beside its frames: how it measures, and the figures of each frame."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from scorrnet_cli.errors import OutputError, UsageError
from scorrnet_cli.field import FrameInfo
from scorrnet_cli.figures import FrameSummary, Spread, StrainSummary
from scorrnet_cli.gauge import COMPONENTS
from scorrnet_cli.writers import Header

_FORMAT = 2
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # as some network file systems say


def hold(path: Path) -> IO[bytes]:
    """Keep other runs off: while the file that is returned is open, no other can be got for the same path.

    The system closes it when the process ends, in whatever way. Where it offers no such thing, nobody is kept off. The
    file is opened for writing, as network file systems lock no other.

    Raises
    ------
    OutputError
        If another run holds it.
    OSError
        If there is no such file, or it may not be changed.
    """
    file = path.open("r+b")
    if importlib.util.find_spec("fcntl") is not None:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputError("Another run is at work on this", str(path.parent), "Wait for it, or stop it") from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                file.close()
                raise
    return file


def add_figures(path: Path, index: int, summary: FrameSummary) -> None:
    """Append the figures of a frame, as a line of JSON.

    Parameters
    ----------
    path : Path
        A file of such lines; made if there is none.
    index : int
        Which frame, counted from 0.
    summary : FrameSummary

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"index": index, **asdict(summary)}) + "\n")


def end_last_line(path: Path) -> None:
    """End the last line of a file if a kill cut it off, so that the next one is a line of its own."""
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            file.write(b"\n")


def read_figures(path: Path) -> dict[int, FrameSummary]:
    """Read the figures of the frames; what is broken is left out."""
    figures = {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):
            content = json.loads(line)
            index = content.pop("index")
            image = FrameInfo(**content.pop("image"))
            u, v = (Spread(**content.pop(name)) for name in ("u", "v"))
            strain = _strain(content.pop("strain"))
            figures[index] = FrameSummary(image=image, u=u, v=v, strain=strain, **content)
    return figures


def _strain(content: dict[str, Any] | None) -> StrainSummary | None:
    """Return the figures of strain."""
    if content is None:
        return None
    spreads: dict[str, Any] = {name: Spread(**content.pop(name)) for name in COMPONENTS}
    return StrainSummary(**spreads, **content)


def identity(header: Header) -> dict[str, Any]:
    """Return what must be the same when a run goes on that measures for a result of this header, as JSON has it."""
    process, scale = header.process, header.calibration
    content = {
        "format": _FORMAT,
        "version": process.version,
        "device": process.device,
        "weights": dict(process.weights),
        "settings": asdict(process.settings),
        "mask": process.mask_sha256,
        "reference": [header.reference.name, header.reference.sha256],
        "shape": header.shape,
        "scale": None if scale is None else scale.mm_per_px,
        "times": header.time_source,
    }
    same: dict[str, Any] = json.loads(json.dumps(content))
    return same


def compare(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raise UsageError if two runs differ, and say in what.

    Parameters
    ----------
    before, now : dict
        What must be the same when a run goes on, as JSON has it; ``settings`` and ``weights`` are dicts.
    folder : Path
        Of the run, for the error.
    """

    def flat(content: dict[str, Any]) -> dict[str, Any]:
        nested = {f"{name}.{key}": item for name in ("settings", "weights") for key, item in content[name].items()}
        return {name: item for name, item in content.items() if name not in ("settings", "weights")} | nested

    if before == now:
        return
    old, new = flat(before), flat(now)
    name = next(name for name in sorted({*old, *new}) if old.get(name) != new.get(name))
    what = name.removeprefix("settings.").replace(".", " ").replace("_", " ")
    raise UsageError(
        f"The run to go on with differs in {what}: {_said(old.get(name))} then, {_said(new.get(name))} now",
        str(folder),
        "Ask for the same, or begin anew with --overwrite",
    )


def _said(value: object) -> str:
    """Write a value as a person does."""
    if value is None or value == "":
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
