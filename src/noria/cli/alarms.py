"""`noria alarms`"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from datetime import timedelta

from noria.app.alarms.standing import (
    AlarmView,
    acknowledge,
    list_alarms,
    mute,
    reopen,
    resolve_alarm,
    show_alarm,
)
from noria.app.alarms.trial import Tried, try_channels
from noria.app.wiring import App, open_app
from noria.cli.commands import BadUsage, Subparsers, dry_run, parser_of, project
from noria.cli.promote import person
from noria.cli.render import count, fields, figure, note, paint, say, say_json, table, when
from noria.records.alarms import Delivery, Standing
from noria.records.monitoring import Alarm

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
ACTIONS = {
    "list": (0, 1),
    "show": (1, 1),
    "ack": (1, 1),
    "mute": (1, 1),
    "reopen": (1, 1),
    "resolve": (1, 1),
    "test": (0, 1),
}
"""How many words each takes, at least and at most."""
CHANGES = ("ack", "mute", "reopen", "resolve")


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "alarms",
        what="What the monitors found, until somebody has seen to it. `list` (or nothing): those that stand, of one model\n"
        "or of all. `show`: one, with its evidence, what is suspected, what to do, and who was told. `ack`: somebody sees\n"
        "to it. `mute`: nothing is told of this cause for a while, on later versions too. `reopen`: take either back.\n"
        "`resolve`: it is over; a resolved alarm starts no training. `test`: send a test through each channel of\n"
        "[alarms.to] in noria.toml, or through one; exit code 1 when one did not take it.\n"
        "A cause that stands is not raised again: its later blocks are counted. Messages go out from `noria serve` and\n"
        "`noria watch`, which try again until they are taken. Each change is an event with its reason.\n"
        "With --json: `list` an array of objects with `alarm`, `state`, `since`, `seen`; `show` one with `standing` and\n"
        "`deliveries`; changes give the alarm as it stands then; `test` an array with `channel`, `kind`, `problem`.",
        examples=[
            ("noria alarms", "what stands"),
            ("noria alarms show delay:3/risk", "why, and what to do"),
            ('noria alarms ack delay:3/risk --why "on it"', "somebody sees to it"),
            ('noria alarms mute delay:3/missing/origin --for 7d --why "the feed is mended on Monday"', ""),
            ('noria alarms resolve delay:3/missing/origin --why "mended"', "it is over"),
            ("noria alarms test", "does it arrive?"),
        ],
        reads=True,
    )
    parser.add_argument(
        "words",
        metavar="ACTION|MODEL|ALARM|CHANNEL",
        nargs="*",
        help=f"{', '.join(ACTIONS)}, then what it is about",
    )
    parser.add_argument("--all", action="store_true", help="of list: those that are resolved, too")
    parser.add_argument("--why", metavar="TEXT", default="", help="of a change: its reason, for the record")
    parser.add_argument(
        "--for", dest="span", metavar="SPAN", type=_span, help="of mute, such as 12h or 7d (default: 1d)"
    )
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    action, words = _asked(args)
    with open_app(project(args)) as app:
        match action:
            case "list":
                return _list(app, args, words[0] if words else None)
            case "show":
                return _show(app, args, words[0])
            case "test":
                return _test(app, args, words[0] if words else None)
        return _change(app, args, action, words[0])


def _asked(args: argparse.Namespace) -> tuple[str, list[str]]:
    action, *words = args.words or ["list"]
    if action not in ACTIONS:
        raise _misused(f"{action!r} is not one of {', '.join(ACTIONS)}")
    least, most = ACTIONS[action]
    if not least <= len(words) <= most:
        raise _misused(f"{action} takes {'one word' if least else 'one word at most'}, not {len(words)}")
    for given, name, of in (
        (args.all, "--all", ("list",)),
        (args.why, "--why", CHANGES),
        (args.span, "--for", ("mute",)),
        (args.dry_run, "--dry-run", CHANGES),
    ):
        if given and action not in of:
            raise _misused(f"{name} is for {', '.join(of)}, not for {action}")
    return action, words


def _list(app: App, args: argparse.Namespace, model: str | None) -> int:
    found = list_alarms(app, model, all=args.all)
    if args.json:
        say_json(found)
    elif found:
        head = ("alarm", "severity", "state", "raised", "blocks", "what")
        say(*table(head, map(_row, found)))
    else:
        note("no alarm " + ("was ever raised" if args.all else "stands"))
    return 0


def _row(one: Standing) -> tuple[object, ...]:
    alarm = one.alarm
    return alarm.id, alarm.severity, state_of(one), when(alarm.raised), one.seen, one.said


def state_of(one: Standing) -> str:
    until = f" until {when(one.until)}" if one.state == "muted" and one.until else ""
    return f"{one.state}{until}"


def _show(app: App, args: argparse.Namespace, id: str) -> int:
    view = show_alarm(app, id)
    if args.json:
        say_json(view)
    else:
        say(*alarm_lines(view))
    return 0


def alarm_lines(view: AlarmView) -> list[str]:
    one, alarm = view.standing, view.standing.alarm
    who = f", by {one.by}: {one.why}" if one.by else ""
    return [
        paint(alarm.id, "bold"),
        *fields(
            [
                ("state", f"{state_of(one)} since {when(one.since)}{who}"),
                ("severity", alarm.severity),
                ("raised", f"{when(alarm.raised)}, on the block of {when(alarm.block)}"),
                ("what", alarm.why),
                (
                    "found in",
                    f"{count(one.seen, 'block')}, the newest {when(one.last)}: {one.said}"
                    if one.seen > 1
                    else "",
                ),
                ("suspected", alarm.cause),
                ("next", alarm.action),
                ("evidence", _evidence(alarm)),
                ("told", "\n".join(map(_told, view.deliveries)) or "nobody"),
            ]
        ),
    ]


def _evidence(alarm: Alarm) -> str:
    test = f"{alarm.e_value:.4g} of {alarm.threshold:.4g}" if alarm.threshold else ""
    figures = [f"{name} {_told_figure(value)}" for name, value in alarm.figures.items()]
    return "\n".join([test, *figures] if test else figures)


def _told_figure(value: object) -> object:
    """Of an alarm that is about several things, those of each in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told_figure(one)}" for name, one in value.items())
    return figure(value) if isinstance(value, float) else value


def _told(one: Delivery) -> str:
    tries = f" after {count(one.attempts, 'attempt')}" if one.attempts > 1 else ""
    match one.state:
        case "sent":
            return f"{one.channel}: {one.notice.kind}, {when(one.ended) if one.ended else ''}{tries}"
        case "failed":
            return f"{one.channel}: {one.notice.kind}, given up{tries}: {one.error}"
    problem = f": {one.error}" if one.error else ""
    return f"{one.channel}: {one.notice.kind}, waits; tried again {when(one.due)}{tries}{problem}"


def _change(app: App, args: argparse.Namespace, action: str, id: str) -> int:
    span: timedelta = args.span or timedelta(days=1)
    said = {"by": person(), "why": args.why, "dry_run": bool(args.dry_run)}
    verbs: dict[str, Callable[[], Standing]] = {
        "ack": lambda: acknowledge(app, id, **said),
        "mute": lambda: mute(app, id, span, **said),
        "reopen": lambda: reopen(app, id, **said),
        "resolve": lambda: resolve_alarm(app, id, **said),
    }
    standing = verbs[action]()
    if args.json:
        say_json(standing)
    else:
        say(f"{id} {'would be' if args.dry_run else 'is'} {state_of(standing)}")
    return 0


def _test(app: App, args: argparse.Namespace, name: str | None) -> int:
    tried = try_channels(app, name)
    if args.json:
        say_json(tried)
    else:
        say(*table(("channel", "kind", "result"), [(one.channel, one.kind, _result(one)) for one in tried]))
        note(*(f"{one.channel}: {one.next}" for one in tried if one.problem))
    return int(any(one.problem for one in tried))


def _result(one: Tried) -> str:
    return paint(one.problem, "red") if one.problem else "taken"


def _span(text: str) -> timedelta:
    parts = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if parts is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span: write a count and m, h, d or w, such as 7d")
    return timedelta(**{UNITS[parts[2]]: int(parts[1])})


def _misused(problem: str) -> BadUsage:
    return BadUsage(problem=problem, command="noria alarms")
