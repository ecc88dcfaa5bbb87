"""A run as it goes, on stderr: a live table on a terminal, a line an event elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.cli.render import amount, count, note, span, when
from noria.errors import NoriaError
from noria.records.runs import Ran, Run, StepResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from noria.pipeline.drive import Listener
    from noria.pipeline.plan import Plan
    from noria.ports.source import Checkout

NAMED = 3  # changed files that the line about uncommitted work spells out
MARKS = {"waiting": (" ", ""), "stopped": ("✗", "red")}  # by the first word of a step's state
DONE = ("✓", "green")
REFRESH = 8  # a second: a spinner that looks alive, for a thousandth of a core


@contextmanager
def listening(*, quiet: bool = False) -> Iterator[Listener]:
    """A listener for one run, closed at the end of the block, however that comes."""
    if quiet:
        from noria.pipeline.drive import Silent

        yield Silent()
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        shown = Shown()
        try:
            yield shown
        except BaseException:
            shown.close("stopped")
            raise
        shown.close("done")
    else:
        yield Lines()


class Lines:
    """A line an event: for pipes, files and CI. Of a fan-out's items, one line for each tenth of them."""

    def __init__(self) -> None:
        self._items: dict[str, Count] = {}

    def began(self, run: Run, plan: Plan, resumed: bool) -> None:
        note(title(run, plan, resumed))

    def items(self, step: str, count: int) -> None:
        note(f"  {step}: {count:,} items")
        self._items[step] = Count(count)

    def started(self, step: str, why: str) -> None:
        if fanned(step) is None:
            note(f"  {step}: started ({why})")

    def again(self, step: str, attempt: int, error: NoriaError, pause: float) -> None:
        note(f"  {step}: {tried(attempt, error, pause)}")

    def output(self, step: str, line: str) -> None:
        note(f"  {step} | {line}")

    def finished(self, result: StepResult) -> None:
        self._over(result)

    def reused(self, result: StepResult) -> None:
        self._over(result)

    def _over(self, result: StepResult) -> None:
        whole = fanned(result.step)
        if whole is None or whole not in self._items:
            note(f"  {result.step}: {came(result)}")
            return
        count = self._items[whole]
        count.done += 1
        if count.done * 10 // count.all > (count.done - 1) * 10 // count.all:
            note(f"  {whole}: {count}")

    def judging(self) -> None:
        note("  gates: judging")


@dataclass
class Count:
    """How many of a fan-out's items are over."""

    all: int
    done: int = 0

    def __str__(self) -> str:
        return f"{self.done:,}/{self.all:,}"


class Shown:
    """A table of the steps that changes in place, and above it what they print."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.spinner import Spinner

        self._spinner = Spinner("dots", style="cyan")
        self._console: Console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._states: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._items: dict[str, Count] = {}

    def began(self, run: Run, plan: Plan, resumed: bool) -> None:
        from rich.live import Live
        from rich.text import Text

        self._console.print(Text(title(run, plan, resumed), style="bold"))
        self._states = {step.name: "waiting" for step in plan.order}
        self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=REFRESH)
        self._live.start()

    def items(self, step: str, count: int) -> None:
        self._items[step] = Count(count)
        self._since[step] = time.monotonic()

    def started(self, step: str, why: str) -> None:
        if fanned(step) is None:
            self._since[step] = time.monotonic()

    def again(self, step: str, attempt: int, error: NoriaError, pause: float) -> None:
        from rich.text import Text

        self._console.print(Text(f"{step}: {tried(attempt, error, pause)}", style="yellow"))

    def output(self, step: str, line: str) -> None:
        from rich.text import Text

        self._console.print(Text(f"{step} | {line}", style="dim"))

    def finished(self, result: StepResult) -> None:
        self._over(result)

    def reused(self, result: StepResult) -> None:
        self._over(result)

    def _over(self, result: StepResult) -> None:
        whole = fanned(result.step)
        if whole in self._items:
            self._items[whole].done += 1
            return
        self._since.pop(result.step, None)
        self._states[result.step] = came(result)

    def judging(self) -> None:
        self._states["gates"] = "waiting"
        self._since["gates"] = time.monotonic()

    def close(self, how: str) -> None:
        """Leave the table as it is: what was under way is `done`, or `stopped`."""
        for name, since in self._since.items():
            self._states[name] = f"{how} after {span(time.monotonic() - since)}"
        self._since.clear()
        if self._live is not None:
            self._live.stop()

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        grid, now = Table.grid(padding=(0, 1)), time.monotonic()
        for name, state in self._states.items():
            if name in self._since:
                done = f"{self._items[name]}, " if name in self._items else ""
                under_way = Text(done + span(now - self._since[name]), style="cyan")
                grid.add_row(self._spinner, Text(name, style="bold"), under_way)
            else:
                mark, colour = MARKS.get(state.split()[0], DONE)
                grid.add_row(
                    Text(mark, style=colour), Text(name), Text(state, style="dim" if mark == " " else "")
                )
        return grid


def fanned(step: str) -> str | None:
    """The step of an item: `score` for `score[3]`; None for a whole step."""
    whole, bracket, _ = step.partition("[")
    return whole if bracket else None


def tried(attempt: int, error: NoriaError, pause: float) -> str:
    """`attempt 1 failed (...); again in 0.50 s`"""
    return f"attempt {attempt} failed ({error.headline()}); again in {span(pause)}"


def title(run: Run, plan: Plan, resumed: bool) -> str:
    """`run delay/3 as of 2013-03-01 09:00:00Z: 6 steps`"""
    again = ", going on with it" if resumed else ""
    why = run.asked.trigger
    by = "" if why.kind == "person" else f", because of {why.kind} {why.cause}".rstrip()
    return f"run {run.name} as of {when(run.asked.as_of)}: {count(len(plan.order), 'step')}{again}{by}"


def uncommitted(checkout: Checkout) -> str | None:
    """`uncommitted: pipeline.py; 2 untracked files`; None when all is committed. The run records both."""
    from noria.source.choose import choose

    changed, untracked = checkout.changed, len(choose(checkout).untracked)
    named = ", ".join(changed[:NAMED])
    more = f" and {len(changed) - NAMED:,} more" if len(changed) > NAMED else ""
    parts = [f"{named}{more}"] if changed else []
    parts += [count(untracked, "untracked file")] if untracked else []
    return f"uncommitted: {'; '.join(parts)}" if parts else None


def came(result: StepResult) -> str:
    """`ran in 1.20 s: code changed; 12,000 rows`"""
    rows = f"; {amount(result.data)}" if result.data else ""
    if result.items is not None:
        return f"{count(result.items, 'item')}, {result.reason.why if isinstance(result.reason, Ran) else ''}"
    if isinstance(result.reason, Ran):
        return f"ran in {span(result.seconds)}: {result.reason.why}{rows}"
    return f"reused from {result.reason.run}{rows}"
