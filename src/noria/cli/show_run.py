"""A run, and what a run and a version both have, as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

from noria.app.read import RunDetail, RunView, Tail
from noria.cli.models import verdict_of
from noria.cli.render import amount, count, fields, figure, paint, pinned, size, span, table, when
from noria.cli.runs import result_of
from noria.records.artifacts import Artifact
from noria.records.base import Json, short
from noria.records.gates import Judgement, Verdict
from noria.records.runs import DataVersion, Failed, Ran, StepResult, Succeeded
from noria.records.sources import Environment, Source

COLOURS = {"succeeded": "green", "failed": "red", "running": "cyan"}
VERDICTS = {"pass": "green", "fail": "red", "undecided": "yellow"}
LISTED = 8  # files of a list; `git show` and --json have the rest


def run_lines(detail: RunDetail) -> list[str]:
    view = detail.view
    lines = [
        f"{paint(view.name, 'bold')}  {paint(view.state, COLOURS.get(view.state, 'yellow'))}",
        *_facts(view),
    ]
    lines += ["", paint("steps", "bold"), *step_table(detail.steps)]
    lines += [f"  {step.step}: {note}" for step in detail.steps for note in step.notes]
    lines += [line for step in detail.steps if step.data for line in _data(step.step, step.data)]
    if isinstance(view.outcome, Succeeded) and view.outcome.metrics:
        lines += ["", paint("metrics", "bold"), *metric_lines(view.outcome.metrics)]
    if detail.judgement:
        lines += ["", *judgement_lines(detail.judgement)]
    return [*lines, *_end(detail)]


def step_table(steps: Iterable[StepResult]) -> list[str]:
    """One line a step: what it came from, and what it made. A fan-out has one line for all of its items."""
    head = ("step", "role", "why", "took", "made")
    return table(
        head,
        [
            (step.step, step.role, _reason(step), span(step.seconds), _made(step))
            for step in steps
            if not is_item(step)
        ],
        indent=2,
    )


def is_item(step: StepResult) -> bool:
    """Whether this is one item of a fan-out: `score[3]`."""
    return "[" in step.step


def judgement_lines(judgement: Judgement) -> list[str]:
    """The verdicts of all gates, each with its sentence."""
    against = f", against {judgement.model}:{judgement.champion}" if judgement.champion else ""
    title = f"{paint('gates', 'bold')}  {verdict_of(judgement)} at {when(judgement.judged)}{against}"
    return [title, *map(verdict_line, judgement.verdicts)]


def verdict_line(verdict: Verdict) -> str:
    """`  pass       auc: 0.71 is at least 0.68`"""
    return f"  {paint(verdict.outcome.ljust(9), VERDICTS[verdict.outcome])}  {verdict.gate}: {verdict.why}"


def metric_lines(metrics: Mapping[str, float]) -> list[str]:
    return fields((name, figure(value)) for name, value in metrics.items())


def source_lines(source: Source) -> list[tuple[str, object]]:
    """A run's code, as fields."""
    state = "" if not source.dirty else ", with uncommitted changes"
    return [
        ("commit", f"{source.commit}{f' on {source.branch}' if source.branch else ''}{state}"),
        ("untracked", listed(source.untracked)),
        ("left out", listed(f"{one.path} ({one.why})" for one in source.left_out)),
        ("tree", short(source.tree)),
    ]


def environment_line(place: Environment) -> str:
    packages = f"{place.lock or 'installed packages, no lock file'} {short(place.packages)}"
    noria = f", beside it Noria {place.beside['noria']}" if "noria" in place.beside else ""
    return f"{place.implementation} {place.python} on {place.platform}; {packages}{noria}"


def data_line(data: DataVersion) -> str:
    """`12,000 rows of 9 columns, 2013-01-01 .. 2013-03-01, 41 not known yet (3fa2…)`"""
    time = f", {_date(data.first)} .. {_date(data.last)}" if data.first and data.last else ""
    dropped = f", {data.dropped:,} left out: not known by then" if data.dropped else ""
    columns = f" of {count(len(data.columns), 'column')}" if data.columns else ""
    return f"{amount(data)}{columns}{time}{dropped} ({short(data.digest)})"


def listed(items: Iterable[str]) -> str:
    """The first few, and how many more."""
    given = list(items)
    more = [f"... and {len(given) - LISTED} more"] if len(given) > LISTED else []
    return "\n".join([*given[:LISTED], *more])


def shown(value: Json) -> str:
    """A parameter as JSON; text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _facts(view: RunView) -> list[str]:
    asked = view.run.asked
    pinned = asked.provenance
    machine = pinned.machine
    took = f", took {span(view.finished - view.run.started)}" if view.finished else ""
    given = [
        f"{step}.{name} = {shown(value)}"
        for step, part in asked.parameters.items()
        for name, value in part.items()
    ]
    return fields(
        [
            ("started", f"{when(view.run.started)}{took}"),
            ("as of", when(asked.as_of)),
            ("asked by", f"{asked.trigger.kind} {asked.trigger.cause}".rstrip()),
            *source_lines(pinned.source),
            ("environment", environment_line(pinned.environment)),
            (
                "of steps",
                "\n".join(f"{name}: {environment_line(one)}" for name, one in pinned.groups.items()),
            ),
            (
                "machine",
                f"{machine.host}: {machine.cpu}, {count(machine.cores, 'core')}, {size(machine.memory)}, {count(machine.threads, 'thread')}",
            ),
            ("seed", asked.seed),
            ("parameters", "\n".join(given)),
        ]
    )


def _reason(step: StepResult) -> str:
    return f"ran: {step.reason.why}" if isinstance(step.reason, Ran) else f"reused from {step.reason.run}"


def _made(step: StepResult) -> str:
    single = len(step.outputs) == 1 and step.step in step.outputs
    return "; ".join(_artifact("" if single else name, made) for name, made in step.outputs.items())


def _artifact(name: str, made: Artifact) -> str:
    rows = f"{made.rows:,} rows, " if made.rows is not None else ""
    unsafe = ", UNSAFE" if made.unsafe else ""
    return f"{name} {made.codec}, {rows}{size(made.size)}{unsafe} ({short(made.digest)})".strip()


def _data(step: str, data: DataVersion) -> list[str]:
    rows = [(column.name, column.type, "yes" if column.nullable else "no") for column in data.columns]
    return [
        "",
        f"{paint('data', 'bold')}  {step}: {data_line(data)}",
        *(f"  read {pinned(source)}" for source in data.sources),
        *(table(("column", "type", "nulls"), rows, indent=2) if rows else []),
    ]


def _end(detail: RunDetail) -> list[str]:
    outcome = detail.view.outcome
    if isinstance(outcome, Succeeded):
        return ["", f"made {detail.version.name}"] if detail.version else []
    if isinstance(outcome, Failed):
        return [
            "",
            paint(f"failed in {outcome.step} [{outcome.code}]", "red"),
            *_indented(outcome.error),
            *_tail(detail.tail),
        ]
    told = result_of(detail.view)
    return ["", told] if told else []


def _tail(tail: Tail | None) -> list[str]:
    if tail is None:
        return []
    more = f" (the last {len(tail.lines)} of {len(tail.lines) + tail.more} lines)" if tail.more else ""
    return [
        "",
        paint(f"log of {tail.step}", "bold") + more,
        *(paint(f"  | {line}", "dim") for line in tail.lines),
    ]


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
