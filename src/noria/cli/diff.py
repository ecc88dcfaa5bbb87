"""`noria diff`"""

from __future__ import annotations

import argparse

from noria.app.diff import Change, DataChange, Diff, FileChange, StepChange, diff
from noria.app.read import RunView
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import figure, paint, say, say_json, table, when
from noria.cli.show_run import data_line, shown
from noria.cli.sources import change_lines
from noria.records.base import short
from noria.records.runs import Succeeded

COLOURS = {"+": "green", "-": "red", "@": "cyan"}
LONGEST = 200  # lines of one file's diff; --json has all of it


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "diff",
        what="What differs between two runs, or between the runs that made two versions: code, data, environment,\n"
        "parameters, and what follows: which steps, which artifacts, which metrics.\n"
        "With --json: `a`, `b`, `code`, `data`, `environment`, `packages`, `parameters`, `metrics`, `steps`.",
        examples=[
            ("noria diff delay/3 delay/4", "two runs"),
            ("noria diff delay:2 delay@champion", "two versions"),
            ("noria diff delay/3 delay/last --json | jq .metrics", "for a script"),
        ],
        reads=True,
    )
    parser.add_argument("a", metavar="A", help="a run or a version")
    parser.add_argument("b", metavar="B", help="another one")


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        found = diff(app, args.a, args.b)
    if args.json:
        say_json(found)
    else:
        say(*diff_lines(found))
    return 0


def diff_lines(found: Diff) -> list[str]:
    parts = [
        ("code", [line for change in found.code for line in _file(change)]),
        ("data", [line for change in found.data for line in _data(change)]),
        ("environment", _values(found.environment) + _values(found.packages)),
        ("parameters", _values(found.parameters)),
        ("metrics", _metrics(found.metrics)),
        ("steps", [line for step in found.steps for line in _step(step)]),
    ]
    lines = [_side_line("a", found.a), _side_line("b", found.b)]
    for title, body in parts:
        same = not body or (title == "data" and all(change.same for change in found.data))
        lines += ["", f"{paint(title, 'bold')}  the same" if same else paint(title, "bold"), *body]
    return lines


def _side_line(side: str, view: RunView) -> str:
    source = view.run.asked.provenance.source
    version = view.outcome.version if isinstance(view.outcome, Succeeded) else None
    came = f"made {view.run.asked.model}:{version}" if version else view.state
    return f"{side}  {paint(view.name, 'bold')}  {when(view.run.started)}  commit {source.commit[:9]}  {came}"


def _file(change: FileChange) -> list[str]:
    lines = change.diff.splitlines()
    more = [f"    ... and {len(lines) - LONGEST} more lines"] if len(lines) > LONGEST else []
    return [
        f"  {change.kind} {change.path}",
        *(
            f"    {paint(line, *([COLOURS[line[0]]] if line[:1] in COLOURS else []))}"
            for line in lines[:LONGEST]
        ),
        *more,
    ]


def _data(change: DataChange) -> list[str]:
    if change.same and change.a:
        return [f"  {change.step}: {data_line(change.a)}"]
    sides = [f"    {sign} {data_line(data)}" for sign, data in (("-", change.a), ("+", change.b)) if data]
    columns = (f"    column {line.strip()}" for line in _values(change.columns))
    return [f"  {change.step}:", *sides, *columns, *(f"  {line}" for line in change_lines(change.sources))]


def _values(changes: tuple[Change, ...]) -> list[str]:
    return [f"  {change.name}: {_side(change.a)} -> {_side(change.b)}" for change in changes]


def _side(value: object) -> str:
    if value is None:
        return "absent"
    text = shown(value)  # type: ignore[arg-type]
    return short(text) if text.startswith("blake3:") else text


def _metrics(changes: tuple[Change, ...]) -> list[str]:
    if not changes:
        return []
    return table(("metric", "a", "b", "b - a"), [_metric(change) for change in changes], indent=2)


def _metric(change: Change) -> tuple[str, ...]:
    a, b = (value if isinstance(value, int | float) else None for value in (change.a, change.b))
    delta = f"{b - a:+.5g}" if a is not None and b is not None else None
    return change.name, figure(a), figure(b), delta or ""


def _step(step: StepChange) -> list[str]:
    because = ", ".join(step.because) or "nothing that Noria knows of: is there a seed?"
    came = (
        f"outputs {', '.join(output.name for output in step.outputs)} differ"
        if step.outputs
        else "the same outputs"
    )
    one_sided = step.because in (("added",), ("removed",))
    return [f"  {step.step}: {because}" + ("" if one_sided else f"; {came}")]
