"""`noria rollout`"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import pairwise

from noria.app.rollout_settings import share_of
from noria.app.rollouts import look, verbs
from noria.app.wiring import App, open_app
from noria.cli.commands import BadUsage, Subparsers, dry_run, parser_of, project
from noria.cli.promote import person
from noria.cli.render import note, say, say_json, table, when
from noria.cli.rollout_shown import lines_of, way
from noria.records.base import Record
from noria.records.rollouts import STRATEGIES, Ended, Judged, Rollout
from noria.rollout.words import phase_words

ACTIONS = {
    "start": "VERSION",
    "status": "[MODEL]",
    "list": "[MODEL]",
    "pause": "[MODEL]",
    "resume": "[MODEL]",
    "step": "[MODEL]",
    "abort": "[MODEL]",
}
"""What each is about; in brackets where the only model may be left out."""

UNDECIDED, NOT_PROMOTED = 6, 1  # exit codes of --wait: no verdict, and a bad one
LOOK = 1.0  # s between two looks of --wait


class Shown(Record, kw_only=True):
    """What `noria rollout status --json` says."""

    rollout: Rollout
    judged: Judged | None = None
    """At this look."""
    waiting: str = ""


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "rollout",
        what="Let a version take the champion's place step by step, by evidence. `start`: the way back is rehearsed, then the\n"
        "version answers for a share of the units (canary), or copies alone (shadow, blue-green), and errors, slow answers,\n"
        "predictions and losses are compared by tests that may be looked at at any time, under one error budget. Worse: the\n"
        "champion answers everything again. Not worse: the next step, in the end the alias. Undecided: it waits for more; out\n"
        "of `patience` a canary goes on with copies alone, and then ends without a promotion. `status` (or nothing): how it\n"
        "stands, and how much more it needs. `pause`, `resume`, `step` (the next one, whatever is known; after the last the\n"
        "alias), `abort`. `list`: those that were.\n"
        "`noria serve` and `noria watch` drive it, one of them at a time. With --wait: until it ends; exit code 1 when the\n"
        "version was found worse or taken back, 6 when there was no verdict.\n"
        "With --json: an object with `rollout`, `judged` (at this look) and `waiting`; `list` an array of rollouts.",
        examples=[
            ("noria rollout start delay:8", "as [model.delay.rollout] says"),
            ("noria rollout start delay:8 --strategy shadow --wait", "on copies, until the verdict"),
            ("noria rollout start delay:8 --steps 10% 50%", "other steps than usual"),
            ("noria rollout", "how the only model's stands"),
            ("noria rollout abort delay --why 'wrong price list'", "the champion answers everything"),
        ],
        reads=True,
    )
    parser.add_argument(
        "words",
        metavar="ACTION|MODEL|VERSION",
        nargs="*",
        help="start, status, list, pause, resume, step or abort, then what it is about",
    )
    parser.add_argument(
        "--strategy", choices=STRATEGIES, help="of start (default: from noria.toml, else canary)"
    )
    parser.add_argument("--steps", metavar="SHARE", nargs="+", help="of start: 5%% 25%% 50%%")
    parser.add_argument(
        "--why", default="", help="of start, pause, resume, step and abort: the reason, for the record"
    )
    parser.add_argument("--force", action="store_true", help="of start: even if the gates did not pass it")
    parser.add_argument("--wait", action="store_true", help="of start and status: until it ends")
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    action, *about = args.words or ["status"]
    if action not in ACTIONS:
        raise _misused(f"{action!r} is not one of {', '.join(ACTIONS)}")
    if len(about) > 1 or (action == "start" and not about):
        raise _misused(f"{action} takes {ACTIONS[action]}, not {' '.join(about) or 'nothing'}")
    _check_options(action, args)
    with open_app(project(args)) as app:
        if action == "start":
            return _start(app, about[0], args)
        model = app.model(about[0] if about else None).name
        if action == "list":
            return _list(app, model, args)
        if action == "status":
            return _status(app, model, args)
        return _said(app, model, action, args)


def _check_options(action: str, args: argparse.Namespace) -> None:
    own = {
        "start": {"strategy", "steps", "why", "force", "wait", "dry_run"},
        "status": {"wait"},
        "pause": {"why"},
        "resume": {"why"},
        "step": {"why"},
        "abort": {"why"},
    }.get(action, set())
    for name in ("strategy", "steps", "why", "force", "wait", "dry_run"):
        if getattr(args, name) and name not in own:
            raise _misused(f"--{name.replace('_', '-')} is not for {action}")


def _start(app: App, text: str, args: argparse.Namespace) -> int:
    steps = [_share(one) for one in args.steps or ()]
    if any(later <= one for one, later in pairwise(steps)):
        raise _misused(f"each step must be larger than the one before: {' '.join(args.steps)}")
    model = text.partition(":")[0].partition("@")[0]
    policy = verbs.policy_of(app, app.model(model).name, args.strategy, steps)
    if steps and policy.strategy != "canary":
        raise _misused(f"only a canary has steps, and this is {policy.strategy}")
    rollout = verbs.start(
        app, text, policy, by=person(), why=args.why, force=args.force, dry_run=args.dry_run
    )
    if args.dry_run:
        say(f"{rollout.name} would begin: {way(rollout)}")
        return 0
    if args.wait:
        return _wait(app, rollout, args)
    if args.json:
        say_json(Shown(rollout=rollout))
    else:
        say(f"{rollout.name} has begun: {way(rollout)}")
        note(f"`noria serve` or `noria watch` drives it; how it stands: noria rollout status {rollout.model}")
    return 0


def _list(app: App, model: str, args: argparse.Namespace) -> int:
    found = app.records.rollouts.rollouts(model)
    if args.json:
        say_json(found)
        return 0
    rows = [
        (one.name, f"{model}:{one.version}", one.policy.strategy, when(one.started), phase_words(one))
        for one in found
    ]
    say(*table(("rollout", "version", "strategy", "begun", "standing"), rows)) if rows else note(
        f"{model} has had no rollout: noria rollout start {model}:N"
    )
    return 0


def _status(app: App, model: str, args: argparse.Namespace) -> int:
    found = app.records.rollouts.rollouts(model)
    if not found:
        raise verbs.NoRollout(model)
    if args.wait:
        return _wait(app, found[0], args)
    _show(look.standing(app, found[0]), args)
    return 0


def _show(standing: verbs.Standing, args: argparse.Namespace) -> None:
    if args.json:
        say_json(Shown(rollout=standing.rollout, judged=standing.judged, waiting=standing.waiting))
    else:
        say(*lines_of(standing))


def _wait(app: App, rollout: Rollout, args: argparse.Namespace) -> int:
    told = ""
    while True:
        rollout = next(
            one for one in app.records.rollouts.rollouts(rollout.model) if one.number == rollout.number
        )
        line = f"{rollout.name}: {phase_words(rollout)}" + (", paused" if rollout.pause else "")
        if line != told:
            note(line)
            told = line
        if isinstance(rollout.phase, Ended):
            _show(look.standing(app, rollout), args)
            return exit_code(rollout.phase)
        time.sleep(LOOK)


def exit_code(ended: Ended) -> int:
    if ended.result in ("promoted", "superseded"):
        return 0
    return UNDECIDED if ended.result == "undecided" else NOT_PROMOTED


def _said(app: App, model: str, action: str, args: argparse.Namespace) -> int:
    by: str = person()
    acts: dict[str, Callable[[], Rollout]] = {
        "pause": lambda: verbs.pause(app, model, by=by, why=args.why),
        "resume": lambda: verbs.resume(app, model, by=by, why=args.why),
        "step": lambda: verbs.step(app, model, by=by, why=args.why),
        "abort": lambda: verbs.abort(app, model, by=by, why=args.why),
    }
    rollout = acts[action]()
    if args.json:
        say_json(Shown(rollout=rollout))
    else:
        say(f"{rollout.name}: {phase_words(rollout)}" + (", paused" if rollout.pause else ""))
    return 0


def _share(text: str) -> float:
    share = share_of(text)
    if share is None:
        raise _misused(f"{text!r} is no share above 0 and under 1: write 5% or 0.05")
    return share


def _misused(problem: str) -> BadUsage:
    return BadUsage(problem=problem, command="noria rollout")
