"""What every suite works with: the scene, rounds, checks before times, progress."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.agreement import Agreement, check
from benchmarks.harness import Cost, Run, interleaved, measure, output_folder
from benchmarks.methods import Method
from benchmarks.scene import Scene, scene_of
from benchmarks.tasks import Task, task_of


@dataclass(frozen=True)
class Bench:
    """One call of the benchmarks."""

    size: int  # pixels of 10 m along each side of the scene
    rounds: int
    say: Callable[[str], None]
    cores: Sequence[int]  # those that the measured programs get, unless a suite says otherwise

    @cached_property
    def scene(self) -> Scene:
        """The scene of the size asked for."""
        return self.scene_of(self.size)

    def scene_of(self, size: int) -> Scene:
        """A scene of another size."""
        self.say(f"scene of {size} × {size} pixels")
        return scene_of(size)

    @cached_property
    def task(self) -> Task:
        """That one scene, on local disk."""
        return task_of("one", [self.scene.item()])

    def verify(
        self,
        method: Method,
        task: Task,
        run: Run,
        *,
        indices: Sequence[str] = ("NDVI",),
        area: dict[str, Any] | None = None,
    ) -> Agreement:
        """Run it once, untimed, and compare its pixels with an independent computation. This also warms every cache.

        Args:
            indices: all that the run leaves; of several, what is returned is that of the last.
            area: what the output is cut to.

        Raises:
            Disagreement, CommandFailed: its time would mean nothing.
        """
        cost = measure(run)
        for index in indices:
            (found,) = output_folder(run.key).glob(method.result.replace("ndvi", index.lower()))
            seen = check(found, self.scene, method.meaning, index=index, loses_zeros=method.loses_zeros, area=area)
            told = f"agrees on {seen.pixels} pixels within {seen.largest_error:.2g}"
            self.say(f"{run.key}: {index} {told} ({cost.wall:.1f} s)")
        shutil.rmtree(output_folder(run.key))
        return seen

    def costs(
        self, runs: Sequence[Run], *, rounds: int | None = None, after: Callable[[Run], None] = lambda run: None
    ) -> dict[str, list[Cost]]:
        """Interleaved rounds with progress; outputs are removed once `after` has seen them."""
        rounds = rounds or self.rounds
        total, done = rounds * len(runs), 0

        def finished(run: Run, cost: Cost) -> None:
            nonlocal done
            done += 1
            after(run)
            shutil.rmtree(output_folder(run.key), ignore_errors=True)
            told = f"{cost.wall:.2f} s wall, {cost.cpu:.2f} s CPU, {cost.peak_mb:.0f} MB"
            self.say(f"[{done}/{total}] {run.key}: {told}")

        return interleaved(runs, rounds=rounds, finished=finished)
