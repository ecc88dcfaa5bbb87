"""`noria watch`"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from noria.app.rollouts.driver import drive_once, driving
from noria.app.sights import Sighted
from noria.app.status import left_run
from noria.app.watch import Watch, Watched
from noria.app.wiring import App, open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.inside import inside
from noria.cli.progress import listening
from noria.cli.render import count, figure, note, paint, say, when
from noria.cli.standing import late_lines, left_out_lines, left_run_line, maturity_line
from noria.cli.trained import exit_code, trained_lines
from noria.cli.words import seconds
from noria.errors import Corrupt, NoriaError, render

if TYPE_CHECKING:
    from noria.control.loop import Turn

UNSEEN = Sighted(version=None)
INTERVAL = 10.0  # s; a look costs milliseconds, and labels come by the hour


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "watch",
        what="Keep the wheel turning without a service of Noria's: score the champion's answers as their labels mature,\n"
        "raise alarms, and train when an alarm or the schedule asks for it. Ctrl-C ends it; a run that it\n"
        "interrupts is finished by the next one. `noria serve` does the same beside its service.",
        examples=[
            ("noria watch", "until Ctrl-C"),
            ("noria watch delay --once", "look once, as from cron; exit code as of noria run"),
            ("noria watch --interval 600", "every ten minutes"),
        ],
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")
    parser.add_argument("--once", action="store_true", help="look once and end")
    interval(parser)


def interval(parser: argparse.ArgumentParser) -> None:
    """`--interval`"""
    parser.add_argument(
        "--interval",
        type=seconds,
        default=INTERVAL,
        metavar="SECONDS",
        help=f"between two looks (default: {INTERVAL:g})",
    )


def run(args: argparse.Namespace) -> int:
    inside(args)
    with open_app(project(args)) as app:
        model = app.model(args.model).name
        with Watch(app, model) as watch:
            if args.once:
                return _once(app, model, watch)
            note(f"watching {model} every {args.interval:g} s; Ctrl-C ends it")
            told: set[str] = set()
            try:
                with driving(app.project, [model], note):
                    while True:
                        look(app, model, watch, told)
                        time.sleep(args.interval)
            except KeyboardInterrupt:
                note("stopped")
    return 0


def look(app: App, model: str, watch: Watch, told: set[str]) -> None:
    """One turn of the wheel, told. What fails is told too, and the next turn goes on: only `Corrupt` is raised.
    `told`: what earlier turns said of what lasts, so that it is said once."""
    try:
        turned = _turn(app, model, watch)
        lasting = standing_lines(app, model, turned.watched, turned.sighted)
    except Corrupt:
        raise
    except NoriaError as error:
        print(render(error), file=sys.stderr, flush=True)
    else:
        say(*turn_lines(turned), *(line for line in lasting if line not in told))
        told.update(lasting)


def standing_lines(app: App, model: str, watched: Watched, sighted: Sighted = UNSEEN) -> list[str]:
    """What lasts until somebody acts, of the answers and of the questions."""
    left = left_run(app, model)
    return [
        *([maturity_line(model)] if watched.needs_maturity else []),
        *left_out_lines(watched.left_out),
        *late_lines(sighted.late),
        *(f"{model}: {one}" for one in sighted.why),
        *([left_run_line(left)] if left else []),
    ]


def turn_lines(turned: Turn) -> list[str]:
    """What one turn did; nothing when nothing was due."""
    state = turned.watched.state
    lines = []
    for block in turned.watched.blocks:
        loss = f"loss {figure(block.loss)}" if block.loss is not None else "no label"
        evidence = f", evidence {state.e_value:.3g} of {state.threshold:.3g}" if state else ""
        lines.append(
            f"{when(block.start)} {block.model}:{block.version} {loss}, "
            f"{block.labelled:,} of {count(block.predictions, 'prediction')} labelled{evidence}"
        )
    for alarm in (*turned.sighted.alarms, *turned.watched.alarms):
        lines.append(paint(f"ALARM {alarm.why}", "red"))
        lines.append(f"      {alarm.cause}; noria alarms show {alarm.id}")
    lines += [paint(f"an alarm waits for {problem}", "yellow") for problem in turned.delivered.problems]
    if turned.trained and turned.trigger:
        lines.append(f"trained, because of {turned.trigger.kind} {turned.trigger.cause}".rstrip())
        lines += trained_lines(turned.trained)[:-2]  # what to do next is Noria's business here
    return lines


def _once(app: App, model: str, watch: Watch) -> int:
    drive_once(app, model, note)
    turned = _turn(app, model, watch)
    lines = turn_lines(turned)
    say(*lines, *standing_lines(app, model, turned.watched, turned.sighted))
    if turned.trigger and not turned.trained:
        note("a run is due, and another process is at work on the model: the next look sees to it")
    elif not lines:
        waiting = (
            f"; {count(turned.watched.waiting, 'prediction')} not old enough"
            if turned.watched.waiting
            else ""
        )
        note(f"nothing was due{waiting}")
    return exit_code(turned.trained) if turned.trained else 0


def _turn(app: App, model: str, watch: Watch) -> Turn:
    from noria.control.loop import turn

    with listening() as listener:
        return turn(app, model, watch, listener)
