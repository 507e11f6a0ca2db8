"""Progress of long work: a bar on a terminal, elsewhere a line every half minute."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SECONDS_BETWEEN_LINES = 30.0


class Progress:
    """Counts what is done and shows it with its rate and the time left.

    Args:
        name: of the work, the stage's own.
        total: how many units there are.
        unit: what is counted, in the plural.
        show: called with the number done; None: print lines.
    """

    def __init__(self, name: str, total: int, unit: str, show: Any = None) -> None:
        self.name, self.total, self.unit, self.done = name, total, unit, 0
        self._show = show
        self._began = self._told = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count finished units."""
        self.update(self.done + count)

    def update(self, done: int) -> None:
        """Set how many units are done."""
        self.done = done
        now = time.monotonic()
        if self._show is not None:
            self._show(done)
        elif now - self._told > SECONDS_BETWEEN_LINES and done:
            self._told = now
            rate = done / (now - self._began)
            left = (self.total - done) / rate
            print(f"{self.name}: {done}/{self.total} {self.unit}, {rate:.1f} {self.unit}/s, {left:.0f} s left", file=sys.stderr, flush=True)


@contextmanager
def show_progress(name: str, total: int, unit: str = "clips") -> Iterator[Progress]:
    """Show the progress of the work that the block does."""
    if not sys.stderr.isatty():
        yield Progress(name, total, unit)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        """Units a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed or 0:.1f} {unit}/s")

    with Bars("{task.description}", BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task(name, total=total)
        yield Progress(name, total, unit, lambda done: bars.update(task, completed=done))
