"""`noria env`"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from noria.app.environments.past import recorded, run_of
from noria.app.environments.read import beside, prune, shelved, show, wish_of
from noria.app.environments.verify import verify
from noria.app.environments.wanted import Wanted
from noria.app.wiring import App, open_app, open_shelf
from noria.cli.commands import BadUsage, Subparsers, dry_run, parser_of, project
from noria.cli.environments import built_lines, diff_lines, shelf_lines, verified_lines, view_lines
from noria.cli.inside import built
from noria.cli.render import count, note, say, say_json, size
from noria.cli.words import age

ACTIONS = {"show": (0, 1), "build": (0, 1), "verify": (0, 1), "diff": (1, 2), "list": (0, 0), "prune": (0, 0)}
"""How many references each takes, at least and at most."""
USUAL = 30 * 86_400.0  # s; a month: what runs by a schedule has run by then


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "env",
        what="The environments that runs have: Python and the packages of the lock file, built once and shared.\n"
        "`show` (or nothing): what runs of this project use now, or what a past run or version had, and whether this\n"
        "interpreter is it. `build`: build it, or the one of a dependency group; of a past run from its record alone.\n"
        "`verify`: hold every package, version and installed file against what was recorded. `diff`: the packages that\n"
        "two runs, versions, or a run and this project have differently. `list`: all that are built. `prune`: remove\n"
        "those that are unused. Exit code 1: `verify` found something that differs.\n"
        "With --json: an object with `environment`, `packages`, `here`, `differs`, `built`, `groups`; for build one with\n"
        "`of`, `folder`, `python`, `here`; for verify `folder`, `packages`, `differs`; for diff `facts`, `packages`; for\n"
        "list and prune an array of `address`, `folder`, `lock`, `group`, `python`, `size`, `built`, `used`.",
        examples=[
            ("noria env", "of this project"),
            ("noria env delay:3", "of a past run or version"),
            ("noria env build", "before the first run needs it"),
            ("noria env build delay/12", "that of a past run, from its record alone"),
            ("noria env verify", "file by file"),
            ("noria env diff delay:3 delay:4", "packages added, removed, changed"),
            ("noria env diff delay:3", "what this project has now, against it"),
            ("noria env prune --unused 30d --dry-run", "what would go"),
        ],
        reads=True,
    )
    parser.add_argument(
        "words",
        metavar="ACTION|RUN|VERSION|GROUP",
        nargs="*",
        help="show, build, verify, diff, list or prune, then what it is about",
    )
    parser.add_argument(
        "--unused",
        metavar="SPAN",
        type=age,
        default=USUAL,
        help="with prune: those that no command has begun to use for so long (default: 30d)",
    )
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    action, refs = _parsed(args.words)
    if args.dry_run and action != "prune":
        raise BadUsage(problem=f"--dry-run is for prune: {action} removes nothing", command="noria env")
    if action in ("list", "prune"):
        return _shelf(action, args)
    with open_app(project(args)) as app:
        return _VERBS[action](app, refs, args)


def _parsed(words: list[str]) -> tuple[str, list[str]]:
    action, refs = (words[0], words[1:]) if words and words[0] in ACTIONS else ("show", words)
    least, most = ACTIONS[action]
    if not least <= len(refs) <= most:
        wanted = "none" if most == 0 else f"{least} or {most}"
        known = f"; the actions are {', '.join(ACTIONS)}" if action == "show" else ""
        problem = f"{action} takes {wanted} of run, version or group, not {' '.join(refs) or 'none'}{known}"
        raise BadUsage(problem=problem, command="noria env")
    if action == "show" and refs and not _names_a_run(refs[0]):
        problem = f"{refs[0]!r} is neither a run, nor a version, nor one of {', '.join(ACTIONS)}"
        raise BadUsage(problem=problem, command="noria env")
    return action, refs


def _names_a_run(text: str) -> bool:
    return any(mark in text for mark in "/:@")


def _shelf(action: str, args: argparse.Namespace) -> int:
    shelf = open_shelf()
    if action == "list":
        found = shelved(shelf)
    else:
        unused = timedelta(seconds=args.unused)
        found = prune(shelf, unused, datetime.now(UTC), dry_run=args.dry_run)
    if args.json:
        say_json(found)
        return 0
    say(*shelf_lines(found))
    total = f"{count(len(found), 'environment')}, {size(sum(one.size for one in found))}"
    verb = "" if action == "list" else "would remove " if args.dry_run else "removed "
    note(f"{verb}{total}, in {shelf.folder}")
    return 0


def _show(app: App, refs: list[str], args: argparse.Namespace) -> int:
    view = show(app, refs[0] if refs else None)
    if args.json:
        say_json(view)
    else:
        say(*view_lines(view))
    return 0


def _build(app: App, refs: list[str], args: argparse.Namespace) -> int:
    text = refs[0] if refs else None
    if text is None or not _names_a_run(text):
        return _built(app, f"group {text}" if text else "this project", wish_of(app, text), args)
    with recorded(app, run_of(app, text)) as past:
        return _built(app, past.run.name, None if past.here else past.build(), args)


def _built(app: App, of: str, wish: Wanted | None, args: argparse.Namespace) -> int:
    made = built(app.shelf, wish, quiet=args.json) if wish else None
    if args.json:
        say_json(
            {
                "of": of,
                "here": made is None,
                "folder": str(made.folder) if made else None,
                "python": str(made.python) if made else None,
            }
        )
    else:
        say(*built_lines(of, made))
    return 0


def _verify(app: App, refs: list[str], args: argparse.Namespace) -> int:
    found = verify(app, refs[0] if refs else None)
    if args.json:
        say_json(found)
    else:
        say(*verified_lines(found))
    return 1 if found.differs else 0


def _diff(app: App, refs: list[str], args: argparse.Namespace) -> int:
    found = beside(app, refs[0], refs[1] if len(refs) > 1 else None)
    if args.json:
        say_json(found)
    else:
        say(*diff_lines(found))
    return 0


_VERBS = {"show": _show, "build": _build, "verify": _verify, "diff": _diff}
