"""The progress of a run or a backfill as one line that moves; plain lines where nobody watches."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from geocadence.backfill_progress import DONE, BackfillProgress
from geocadence.progress import Progress as RunProgress


class ProgressBar:
    """Shows how far a run or a backfill is."""

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
        # Without a terminal the count says nothing where products can't be told.
        self._update(run.phase, done, run.planned or None, note, is_known=run.produced is not None)

    def show_backfill(self, backfill: BackfillProgress) -> None:
        done, running, failed = backfill.count(*DONE), backfill.count("running"), backfill.count("failed")
        planned, produced = (sum(getattr(w, what) for w in backfill.windows) for what in ("planned", "produced"))
        notes = [f"{running} running"] * bool(running) + [f"{failed} failed"] * bool(failed)
        notes += [f"{produced} of {planned} scenes"] * bool(planned)
        self._update("windows", done, len(backfill.windows) or None, ", ".join(notes), is_known=True)

    def _update(self, what: str, done: int, total: int | None, note: str, *, is_known: bool) -> None:
        if self._console.is_terminal:
            self._bar.update(self._task, description=what, total=total, completed=done, note=note)
            return
        # Without a terminal, a line each time that something changed.
        line = what + (f" {done}/{total}" if total and is_known else "") + (f", {note}" if note else "")
        if line != self._said:
            self._said = line
            self._console.print(line, markup=False)
