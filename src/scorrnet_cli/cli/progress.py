"""What is said of a run while it goes on."""

from __future__ import annotations

import time

from scorrnet_cli.cli.console import Talk
from scorrnet_cli.cli.summary import number
from scorrnet_cli.field import Process
from scorrnet_cli.figures import FrameSummary


class Progress:
    """Tells how a run gets on: in one live line on a terminal, else with a line a frame."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._device = ""
        self._total: int | None = None
        self._before = 0
        self._done = 0
        self._start = 0.0
        self._last = ""

    @property
    def done(self) -> int:
        """Number of frames that lie on the disk."""
        return self._before + self._done

    def doing(self, text: str) -> None:
        """Say what is being done now, and what the last frame gave."""
        self._talk.doing(f"{text}  {self._last}".rstrip())

    def detail(self, text: str) -> None:
        """Say something for those who want to know more."""
        self._talk.detail(text)

    def begun(self, process: Process, total: int | None) -> None:
        """Say, once, what computes, and begin to count frames."""
        if process.settings.device == "auto" and self._device != process.device:
            self._talk.note(f"measuring on {process.device}")
        if not self._device:
            for role, digest in process.weights.items():
                self._talk.detail(f"{role} weights {digest}")
        self._device = process.device
        self._total, self._before, self._done, self._last = total, 0, 0, ""
        self._talk.expect(total)

    def resumed(self, summary: FrameSummary) -> None:
        """Count a frame of an earlier run."""
        self._before += 1
        self._talk.expect(self._total, self._before)
        self._talk.detail(f"{summary.image.name} was measured before")

    def doubted(self, why: str) -> None:
        """Say why the mask or the displacement may be wrong."""
        self._talk.doubt(why)

    def kept(self, summary: FrameSummary) -> None:
        """Count a frame, and say what it gave."""
        now = time.perf_counter()
        if not self._done:
            self._start = now - summary.time_s
        self._done += 1
        self._talk.advance()
        name = f"{self.done} of {self._total}" if self._total else f"{self.done}"
        if summary.error is not None:
            self._talk.warn(f"frame {name}, {summary.image.name}, could not be measured: {summary.error}")
            return
        rate = self._done / max(1e-6, now - self._start)
        self._last = f"valid {summary.valid_share:.1%}  zncc {number(summary.zncc, 4)}  {rate:.2f} frames/s"
        if not self._talk.is_live and self._total != 1:
            self._talk.note(f"{name}  {summary.image.name}  {self._last}")
