"""`noria status`"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from noria.app.status import Labels, ModelStatus, ServiceView, scarce, status
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.drill_rate import rate_line
from noria.cli.models import verdict_of
from noria.cli.render import count, fields, figure, note, paint, say, say_json, size, span, table, when
from noria.cli.runs import result_of
from noria.cli.standing import behind_lines, left_out_lines, left_run_line, maturity_line

if TYPE_CHECKING:
    from noria.app.disk import DiskUse


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "status",
        what="How each model stands: its champion, the services that answer, the last run, how many labels are owed,\n"
        "the champion's risk against its bound, alarms, and when the schedule starts the next run.\n"
        "With --json: an array of objects with `model`, `at`, `champion`, `services`, `last_run`, `labels`, `risk`,\n"
        "`recent_loss`, `alarms`, `needs_maturity`, `left_run`, `drill`, `waiting`, `next_run`, `rollout`. With --disk:\n"
        "instead of it how many bytes each model's records name, and how many `noria gc` would free; an object with `models`, `size`,\n"
        "`freeable`.",
        examples=[
            ("noria status", "every model"),
            ("noria status delay", "one"),
            ("noria status --disk", "what lies on the disk, and for whom"),
            ("noria status --json | jq '.[].alarms'", "for a script"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="only this one")
    parser.add_argument(
        "--disk", action="store_true", help="disk use; reads all records, seconds for 10,000 runs"
    )


def run(args: argparse.Namespace) -> int:
    if args.disk:
        return _disk(args)
    with open_app(project(args)) as app:
        found, free = status(app, args.model), scarce(app)
    if args.json:
        say_json(found)
        return 0
    for at, one in enumerate(found):
        say(*([""] if at else []), *status_lines(one))
    if free is not None:
        note(f"{size(free)} are free on the disk: `noria status --disk` tells what lies on it, and for whom")
    return 0


def _disk(args: argparse.Namespace) -> int:
    from noria.app.disk import disk

    if args.model:
        raise BadUsage(problem="--disk is of all models: they share objects", command="noria status")
    with open_app(project(args)) as app:
        found = disk(app)
    if args.json:
        say_json(found)
    else:
        say(*disk_lines(found))
    return 0


def disk_lines(found: DiskUse) -> list[str]:
    rows = [
        (one.model, one.objects, size(one.size), size(one.shared), size(one.given_up)) for one in found.models
    ]
    total = [
        ("all objects, each once", f"{size(found.size)} in {count(found.objects, 'object')}"),
        ("named by several models", size(found.shared)),
        ("named by no record", size(found.nobodys)),
        ("noria gc would free", f"{size(found.freeable)} now, {size(found.waiting)} more within a day"),
        *((one.what, size(one.size)) for one in found.beside),
    ]
    return [*table(("model", "objects", "size", "shared", "given up"), rows), *fields(total, indent=0)]


def status_lines(found: ModelStatus) -> list[str]:
    return [
        paint(found.model, "bold"),
        *fields(
            [
                ("champion", _champion(found)),
                (
                    "waiting",
                    "\n".join(
                        f'{name} for approval: noria approve {name} --why "..."' for name in found.waiting
                    ),
                ),
                ("gates", found.drill and f"{rate_line(found.drill)}, drilled {when(found.drill.at)}"),
                ("service", "\n".join(map(_service, found.services)) or "none: noria serve " + found.model),
                ("rollout", _rollout(found)),
                ("last run", _last_run(found)),
                ("labels", found.labels and "\n".join(_labels(found.labels))),
                ("risk", _risk(found)),
                ("alarm", "\n".join(f"{when(alarm.raised)} {alarm.why}" for alarm in found.alarms)),
                ("next run", _next_run(found)),
            ]
        ),
    ]


def _champion(found: ModelStatus) -> str:
    if found.champion is None:
        return "none: noria run"
    version = found.champion.version
    quality = version.quality
    loss = f", {quality.loss} {figure(quality.mean)} on its holdout" if quality else ""
    return f"{found.champion.name}, data as of {when(version.as_of)}, gates {verdict_of(found.champion.judgement)}{loss}"


def _service(view: ServiceView) -> str:
    service = view.service
    follows = (
        f"{service.model}:{service.follows}"
        if service.follows.isdecimal()
        else f"{service.model}@{service.follows}"
    )
    state = (
        f"heard of {span(view.age)} ago"
        if view.alive
        else paint(f"gone, last heard of {span(view.age)} ago", "red")
    )
    problem = f"; {paint(service.problem, 'red')}" if service.problem else ""
    answers = f"with {service.model}:{service.version}" if service.version else "once it is asked"
    return f"{service.url} answers for {follows} {answers}, process {service.pid}, {state}{problem}"


def _rollout(found: ModelStatus) -> str | None:
    if found.rollout is None:
        return None
    from noria.rollout.words import phase_words

    paused = ", paused" if found.rollout.pause else ""
    return (
        f"{found.rollout.name} of {found.model}:{found.rollout.version}: {phase_words(found.rollout)}{paused}"
    )


def _last_run(found: ModelStatus) -> str:
    view = found.last_run
    if view is None:
        return "none"
    asked = view.run.asked.trigger.kind
    line = f"{view.name} {view.state} {when(view.run.started)}, by {asked}: {result_of(view)}".rstrip(": ")
    return f"{line}\n{left_run_line(found.left_run)}" if found.left_run else line


def _labels(labels: Labels) -> list[str]:
    young = labels.waiting - labels.behind
    line = (
        f"{labels.labelled:,} of {count(labels.scored, 'scored prediction')} have a label, "
        f"{labels.debt:,} do not; {young:,} wait for theirs"
        if labels.scored
        else f"{count(young, 'prediction')} not old enough to be scored"
    )
    return [line, *behind_lines(labels), *_ages(labels), *left_out_lines(labels.left_out)]


def _ages(labels: Labels) -> list[str]:
    """The label debt, by age of the event."""
    rows = [(_age(group.upto), group.labelled, group.waiting, group.owed) for group in labels.ages]
    return table(("age", "labelled", "waiting", "owed"), rows) if rows else []


def _age(upto: float | None) -> str:
    return "older" if upto is None else f"up to {span(upto)}"


def _risk(found: ModelStatus) -> str:
    risk = found.risk
    if found.needs_maturity:
        return maturity_line(found.model)
    if risk is None:
        if found.champion is None:
            return ""
        behind = found.labels is not None and found.labels.behind
        return f"no block of labels has {'been scored' if behind else 'matured'} yet"
    recent = (
        f"{figure(found.recent_loss)} in the last {count(found.recent_blocks, 'block')}"
        if found.recent_loss is not None
        else "no label yet"
    )
    deaf = (
        "\n" + paint("deaf: too few blocks in the holdout for any loss to raise the alarm", "yellow")
        if risk.deaf
        else ""
    )
    return (
        f"{recent}, bound {figure(risk.bound)}; evidence {risk.e_value:.3g} after {count(risk.blocks, 'block')}, "
        f"alarm at {risk.threshold:.3g}{deaf}"
    )


def _next_run(found: ModelStatus) -> str:
    if found.next_run is None:
        return ""
    left = found.next_run - found.at
    return f"{when(found.next_run)}, " + (
        f"in {span(left)}" if left.total_seconds() > 0 else "as soon as `noria serve` or `noria watch` runs"
    )
