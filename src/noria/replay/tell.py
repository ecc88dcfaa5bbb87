"""The demo's voice: what happens, as it happens, with the figures of this very run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from noria.errors import NoriaError
from noria.records.gates import Judgement

if TYPE_CHECKING:
    from noria.app.open_run import Trained
    from noria.app.watch import Watched
    from noria.control.loop import Turn
    from noria.pipeline.plan import Plan
    from noria.records.policy import ModelPolicy
    from noria.records.runs import Run, StepResult
    from noria.replay.compare import Worth
    from noria.replay.history import Day
    from noria.replay.play import Played

MARKS = {"pass": "[green]pass[/]", "fail": "[red]fail[/]", "undecided": "[yellow]undecided[/]"}
WIDTH = 110  # columns where there is no terminal to ask


class Teller:
    """Tells on stdout, with a progress line where there is a terminal; listens to runs as the CLI does."""

    def __init__(self, console: Console | None = None) -> None:
        width = None if sys.stdout.isatty() else WIDTH
        self._console = console or Console(highlight=False, width=width)
        self._progress: Progress | None = None
        self._task = TaskID(0)
        self._month = ""
        self._asked = self._answered_by = 0

    # What the driver of a run tells.

    def began(self, run: Run, plan: Plan, resumed: bool) -> None:
        """A run begins: the trigger says why."""
        trigger = run.asked.trigger
        cause = f", because of {trigger.cause}" if trigger.cause else ""
        again = ", resumed" if resumed else ""
        self._say(
            f"  run [bold]{run.name}[/] by {trigger.kind}{escape(cause)}{again}, data as of {_day(run.asked.as_of)}"
        )

    def started(self, step: str, why: str) -> None:
        """A step begins; the demo tells of ends only."""

    def items(self, step: str, count: int) -> None:
        """A fan-out; the demo tells of whole steps only."""

    def again(self, step: str, attempt: int, error: NoriaError, pause: float) -> None:
        self._say(f"  {escape(step)}: attempt {attempt} failed, again in {pause:.1f} s")

    def output(self, step: str, line: str) -> None:
        """What a step prints stays in its log."""

    def finished(self, result: StepResult) -> None:
        """A step ended; the summary of the run tells it."""

    def reused(self, result: StepResult) -> None:
        """A step was not run again; the summary of the run tells it."""

    def judging(self) -> None:
        """The gates begin; their verdicts are told at the end."""

    # What the demo tells.

    def opening(self, title: str, project: Path, policy: ModelPolicy) -> None:
        self._say(f"\n[bold]{escape(title)}[/]")
        self._say(f"A git repository with the example's pipeline.py and noria.toml: {project}")
        self._say("Time is virtual; everything else is real: processes, HTTP, files, gates, alarms.\n")

    def stage(self, name: str, command: str) -> None:
        self._say(f"[bold cyan]{name}[/]  [dim]$ {escape(command)}[/]")

    def trained(self, trained: Trained) -> None:
        """A run's summary: what it made, and what the gates said."""
        seconds = sum(result.seconds for result in trained.steps)
        rows = next((result.data.rows for result in trained.steps if result.data), 0)
        steps = ", ".join(f"{result.step} {result.seconds:.1f} s" for result in trained.steps)
        self._say(f"    {rows:,} rows; {steps} ({seconds:.1f} s in all)")
        if trained.version and trained.judgement:
            self._judged(trained.version.name, trained.judgement)
        if trained.moved:
            before = f" (was {trained.moved.before})" if trained.moved.before else ""
            self._say(f"    [green]promoted[/]: champion is version {trained.moved.after}{before}")

    def listening(self, url: str) -> None:
        self._say(f"    answers at {url}: rows as JSON, Open Inference Protocol, /metrics\n")
        self._say("[bold cyan]play[/]  questions, labels when they become known, a turn of the loop each day")

    @contextmanager
    def playing(self, start: datetime, until: datetime) -> Iterator[None]:
        """A progress line over the virtual days."""
        self._start = start
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("    {task.description}"), BarColumn(40), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            self._progress = progress
            self._task = progress.add_task("", total=(until - start).days)
            yield
        self._progress = None

    def watched(self, watched: Watched) -> None:
        """The loop has looked, and a run may follow."""
        if watched.alarm:
            self._say(f"  [red]alarm[/] {_day(watched.alarm.raised)}: {escape(watched.alarm.why)}")

    def stepped(self, day: Day, turn: Turn) -> None:
        """A day is over."""
        self._asked += day.rows.height
        state = turn.watched.state
        for alarm in turn.sighted.alarms:
            self._say(f"  [yellow]alarm[/] {_day(alarm.raised)}: {escape(alarm.why)}")
        if turn.trained:
            self.trained(turn.trained)
        evidence = f"evidence {state.e_value:8.3g} of {state.threshold:g}" if state else ""
        line = f"{_day(day.end)}  {self._asked:9,} questions  version {turn.watched.version}  {evidence}"
        if self._progress:
            self._progress.update(self._task, advance=1, description=line)
        elif f"{day.end:%B}" != self._month:
            self._month = f"{day.end:%B}"
            self._say(f"  {line}")

    def comparing(self) -> None:
        self._say(
            "\n[bold cyan]compare[/]  the frozen first version answers the same rows, scored by the same loss"
        )

    def ending(self, result: Worth, played: Played, picture: Path, plot: str, seconds: float) -> None:
        """The table by month, the plot, and in one sentence whether it paid."""
        self._console.print(_table(result))
        self._console.print(plot, markup=False)
        runs = [turn.trained for _, turn in played.turns if turn.trained]
        promoted = sum(1 for trained in runs if trained.moved)
        alarms = sum(1 for _, turn in played.turns if turn.watched.alarm)
        before = sum(len(turn.sighted.alarms) for _, turn in played.turns)
        gain = 100 * (1 - result.noria / result.frozen)
        word = "lower" if gain >= 0 else "HIGHER: retraining did not pay here"
        self._say(
            f"\n{result.loss} over {result.rows:,} labelled answers: frozen {result.frozen:.4g}, "
            f"Noria {result.noria:.4g}: [bold]{abs(gain):.1f} % {word}[/]; better in {result.better_weeks} of the "
            f"{result.renewed_weeks} weeks in which a renewed version answered."
        )
        swap = f", the slowest swap took {max(played.swaps):.2f} s" if played.swaps else ""
        self._say(
            f"{played.questions:,} questions in {played.requests:,} requests, none failed{swap}; {played.labels:,} labels; "
            f"{alarms} alarms of the risk and {before} before any label, {len(runs)} retrainings, {promoted} promotions; {seconds:.0f} s of wall time."
        )
        self._say(f"Figure: {picture}")

    def next_steps(self, project: Path, policy: ModelPolicy) -> None:
        name = policy.name
        self._say(f"\nLook around: [dim]cd {project} && export PATH={Path(sys.executable).parent}:$PATH[/]")
        for command, what in (
            (f"noria models {name}", "every version, refused ones too"),
            (f"noria show {name}@champion", "its gates, data, commit, environment"),
            (f"noria diff {name}/1 {name}/2", "what changed between two runs"),
            (f"noria audit {name}", "verify the hash chain of all that happened"),
            (f"noria serve {name}@champion", "serve it, and keep the wheel turning"),
        ):
            self._say(f"  [dim]{command:<34}[/]{what}")

    def _judged(self, name: str, judgement: Judgement) -> None:
        for verdict in judgement.verdicts:
            self._say(f"    {MARKS[verdict.outcome]} {name} {escape(verdict.gate)}: {escape(verdict.why)}")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _table(result: Worth) -> Table:
    """Quality by week, with the versions that answered in it."""
    table = Table(
        title=f"{result.loss} by week, on the same rows", title_justify="left", box=None, padding=(0, 2)
    )
    for name in ("week of", "rows", "frozen", "Noria", "better by", "versions"):
        table.add_column(name, justify="left" if name in ("week of", "versions") else "right")
    for week in result.weeks.iter_rows(named=True):
        gain = 100 * (1 - week["noria"] / week["frozen"])
        style = "green" if gain > 0 else "red" if gain < 0 else "dim"
        table.add_row(
            _day(week["week"]),
            f"{week['rows']:,}",
            f"{week['frozen']:.4g}",
            f"{week['noria']:.4g}",
            f"[{style}]{gain:+.1f} %[/]",
            ", ".join(str(number) for number in week["versions"]),
        )
    return table


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
