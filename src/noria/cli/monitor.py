"""`noria monitor`"""

from __future__ import annotations

import argparse
import math
from contextlib import AbstractContextManager
from pathlib import Path

from noria.app.estimates import estimate_words
from noria.app.monitor_tests import Test
from noria.app.monitors import MonitorsView, monitors
from noria.app.output import UnknownForm, write_output
from noria.app.skew import skew_words
from noria.app.status import Labels
from noria.app.wiring import App, open_app, open_reading
from noria.cli.alarms import state_of
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import count, fields, figure, note, paint, say, say_json, table, when
from noria.cli.standing import behind_lines
from noria.monitor.attribution import sentences
from noria.records.attribution import Attribution
from noria.records.sights import Sight

BARS = "▁▂▃▄▅▆▇█"
WIDE = 24  # blocks in a line of bars: the newest ones
SHOWN = 8  # tests of a family that are listed; `--all` lists the rest
FORMS = (".html", ".png")


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "monitor",
        what="How the champion's monitors stand. Each test: its highest evidence against the one at which it rings, how\n"
        "evidence went over the newest blocks (bars, by the exponent: a full one is as much), and what would be needed.\n"
        "`tolerated` is a drift that is certain, and not proved to be beyond the tolerance: that takes a second proof.\n"
        "Then what was asked in the newest block, how many labels are owed, what is not watched, and alarms that stand.\n"
        "Tests are looked at by `noria serve` and `noria watch`; this command only tells.\n"
        "With --json: an object with `tests`, `alarms`, `labels`, `newest`, `plan`, `why`, `attribution`, `estimate`,\n"
        "`skew`.",
        examples=[
            ("noria monitor delay", "in the terminal"),
            ("noria monitor delay --all", "every test"),
            ("noria monitor delay --attribute", "what the change of loss is made of"),
            ("noria monitor delay --skew", "the same rows, as asked and as in training"),
            ("noria monitor delay --output delay.html", "a page with figures; or .png"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")
    parser.add_argument(
        "--all", action="store_true", help=f"every test, not the {SHOWN} nearest of each family"
    )
    parser.add_argument(
        "--attribute",
        action="store_true",
        help="with what the change of loss is made of, by feature and value; scores the newest rows again, in a worker",
    )
    parser.add_argument(
        "--skew",
        action="store_true",
        help="with rows as they were asked beside the same rows of the newest data",
    )
    parser.add_argument(
        "--estimate",
        action="store_true",
        help="with an estimate of quality without labels, and calibration; reads the log of four weeks",
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write a page (.html) or a picture (.png) instead"
    )


def run(args: argparse.Namespace) -> int:
    if args.output and args.output.suffix.lower() not in FORMS:
        raise UnknownForm(path=str(args.output), known=list(FORMS))
    with _opened(args) as app:
        view = monitors(app, args.model, estimated=args.estimate, skewed=args.skew, attributed=args.attribute)
    if args.json:
        say_json(view)
    elif args.output:
        _write(args.output, view)
    else:
        say(*monitor_lines(view, all=args.all))
    return 0


def _opened(args: argparse.Namespace) -> AbstractContextManager[App]:
    """To look alone; rows that are taken apart are handed to a worker as objects, which takes an app that writes. Raises
    `NoRecords` where nothing was recorded yet: nothing is made then."""
    if args.attribute:
        with open_reading(project(args)):
            return open_app(project(args))
    return open_reading(project(args))


def _write(path: Path, view: MonitorsView) -> None:
    from noria.app.pages.evidence import evidence_page, evidence_picture

    write_output(path, evidence_picture(view) if path.suffix.lower() == ".png" else evidence_page(view))
    say(str(path))
    note(f"{count(len(view.tests), 'test')} of {view.model}")


def monitor_lines(view: MonitorsView, *, all: bool = False) -> list[str]:
    if view.version is None:
        return [f"{view.model} has no champion: noria run {view.model}"]
    head = paint(f"{view.model}:{view.version}", "bold")
    return [
        head,
        *fields([("alarms", _alarms(view)), *_facts(view), ("not watched", "\n".join(view.why))]),
        *([""] if view.tests else []),
        *_tests(view, all),
    ]


def _facts(view: MonitorsView) -> list[tuple[str, object]]:
    plan, labels, newest = view.plan, view.labels, view.newest
    given = f"{plan.false_alarm:.3g} over this version's life" if plan else "no look yet: noria watch"
    of = f", a part of {plan.budget:g} over all models" if plan and plan.budget is not None else ""
    if plan and plan.over:
        of += f", which are {plan.over:.3g} over it until others take their place"
    return [
        ("false alarms", given + of),
        ("labels", labels and "\n".join([_came(labels), *behind_lines(labels)])),
        (
            "asked",
            newest
            and f"{newest.rows:,} rows in the block of {when(newest.start)}{_beside(newest)}  {bars_of_rows(view.rows)}",
        ),
        ("data", newest and _columns(view)),
        ("answers", newest and ", ".join(f"{name} {figure(mean)}" for name, mean in newest.answers.items())),
        ("took", (newest and newest.took_ms is not None and f"{newest.took_ms:.3g} ms on average") or None),
        ("unanswered", _unanswered(newest) if newest and newest.unanswered else None),
        ("thin", _thin(newest.thin) if newest else None),
        ("change of loss", view.attribution and _attribution(view.attribution)),
        ("estimate", view.estimate and "\n".join(estimate_words(view.estimate))),
        ("skew", view.skew and "\n".join(skew_words(view.skew))),
    ]


def _came(labels: Labels) -> str:
    """All that are stored, whether they have been scored or not."""
    known = labels.known
    return f"{known.labelled:,} came, {known.owed:,} are owed, {known.waiting:,} have time"


def _beside(newest: Sight) -> str:
    return f", and {newest.beside:,} that a canary answered" if newest.beside else ""


def _unanswered(newest: Sight) -> str:
    failed = sum(newest.unanswered.values())
    codes = ", ".join(f"{code} {times:,}" for code, times in newest.unanswered.items())
    return f"{failed:,} of {failed + newest.requests:,} requests in that block: {codes}"


def _thin(blocks: int) -> str:
    return f"{count(blocks, 'block')} had too few rows for the tests of drift" if blocks else ""


def _attribution(one: Attribution) -> str:
    if one.why:
        return f"not taken apart: {one.why}"
    told = [
        *sentences(one),
        f"{one.blocks[1]} blocks beside {one.blocks[0]} of the holdout; it describes, and proves no cause",
    ]
    return "\n".join(told)


def _columns(view: MonitorsView) -> str:
    """What in the newest block is not as it should be."""
    told = []
    for name, one in (view.newest.columns if view.newest else {}).items():
        shares = (("missing", one.missing), ("outside", one.outside), ("unknown", one.unknown))
        found = [f"{share:.1%} {what}" for what, share in shares if share > 0.0005]
        told += [f"{name}: {', '.join(found)}"] if found else []
    return "\n".join(told) or "nothing missing, outside or unknown"


def _alarms(view: MonitorsView) -> str:
    lines = [f"{one.alarm.id}, {state_of(one)}: {one.said}" for one in view.alarms]
    return paint("\n".join(lines), "red") if lines else "none stands"


def _tests(view: MonitorsView, all: bool) -> list[str]:
    shown: list[Test] = []
    left = 0
    for family in ("risk", "segment", "drift", "prediction"):
        mine = [test for test in view.tests if test.family == family]
        shown += mine if all else mine[:SHOWN]
        left += 0 if all else len(mine[SHOWN:])
    rows = [
        (
            f"{one.family} {one.subject}".strip(),
            one.state,
            bars(one),
            figure(one.e_value),
            figure(one.threshold),
            one.note,
        )
        for one in shown
    ]
    lines = table(("test", "state", "by block", "evidence", "rings at", ""), rows) if rows else []
    return [*lines, f"and {count(left, 'test')} further from an alarm: --all"] if left else lines


def bars(test: Test) -> str:
    """Evidence of the newest blocks, by its exponent; a full bar is the alarm."""
    top = math.log(test.threshold)
    return "".join(_bar(math.log(max(value, 1.0)) / top) for value in test.history[-WIDE:])


def bars_of_rows(rows: tuple[int, ...]) -> str:
    most = max(rows, default=0)
    return "".join(_bar(one / most) for one in rows[-WIDE:]) if most else ""


def _bar(share: float) -> str:
    return BARS[min(len(BARS) - 1, int(share * len(BARS)))]
