"""A run's progress as one line that moves; plain lines where nobody watches."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from geocadence.follow import Progress as RunProgress


class ProgressBar:
    """Shows how far a run is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = ""
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("planning", total=None, note="")

    def __enter__(self) -> ProgressBar:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def show(self, run: RunProgress) -> None:
        done = (run.produced or 0) + run.failed
        note = f"{run.failed} failed" if run.failed else ""
        if self._console.is_terminal:
            self._bar.update(self._task, description=run.phase, total=run.planned or None, completed=done, note=note)
            return
        # Without a terminal, a line each time that something changed.
        of_planned = f" {done}/{run.planned}" if run.planned and run.produced is not None else ""
        line = f"{run.phase}{of_planned}" + (f", {note}" if note else "")
        if line != self._said:
            self._said = line
            self._console.print(line, markup=False)
