"""Every command in one table, and what their parsers have in common."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Protocol, cast

from noria.errors import UsageError

# name: (module, one line, group); the top-level help reads this and imports no command
COMMANDS = {
    "doctor": ("noria.cli.doctor", "try everything that Noria stands on", "start"),
    "init": ("noria.cli.init", "start a project with a small example that runs", "start"),
    "run": ("noria.cli.run", "train, gate and promote; goes on with an interrupted run", "train"),
    "data": ("noria.cli.data", "versions of the data, their profiles, and what differs", "train"),
    "tune": ("noria.cli.tune", "search for hyperparameters; each trial is a run", "train"),
    "reproduce": ("noria.cli.reproduce", "rebuild a version from its record, and prove it", "train"),
    "env": ("noria.cli.env", "environments: show, build, verify, diff, list, prune", "train"),
    "lint": ("noria.cli.lint", "what makes a pipeline unrepeatable", "train"),
    "runs": ("noria.cli.runs", "list runs, the newest first", "train"),
    "show": ("noria.cli.show", "a run (delay/3) or a version (delay:3) with its provenance", "train"),
    "logs": ("noria.cli.logs", "what the steps of a run printed", "train"),
    "card": ("noria.cli.card", "a run as one page: metrics, series, exhibits, steps, data", "train"),
    "diff": ("noria.cli.diff", "what differs between two runs or two versions, and why", "train"),
    "compare": ("noria.cli.compare", "runs side by side, with what was tried and what it came to", "train"),
    "models": ("noria.cli.models", "list versions with their aliases and verdicts", "decide"),
    "gate": ("noria.cli.gate", "judge a version again, by today's gates, data and champion", "decide"),
    "approve": ("noria.cli.approve", "a person's word on a version that waits for it", "decide"),
    "drill": ("noria.cli.drill", "which gates catch known-bad candidates; the way back rehearsed", "decide"),
    "promote": ("noria.cli.promote", "let an alias (champion) name a version", "decide"),
    "rollback": ("noria.cli.rollback", "let an alias name the version that it named before", "decide"),
    "rollout": ("noria.cli.rollout", "let a version take over step by step, by evidence", "decide"),
    "serve": ("noria.cli.serve", "answer requests with a version over HTTP", "production"),
    "service": ("noria.cli.service", "who answers: canary, shadow, scale, while it runs", "production"),
    "token": ("noria.cli.token", "who may ask the services for what", "production"),
    "predict": ("noria.cli.predict", "answer all rows of some files, in parts", "production"),
    "watch": ("noria.cli.watch", "score labels, raise alarms and retrain, without a service", "production"),
    "feedback": ("noria.cli.feedback", "give the labels that arrived later", "production"),
    "predictions": ("noria.cli.predictions", "what was answered, with the labels since", "production"),
    "trace": ("noria.cli.trace", "from an answer back to version, run, commit and data", "production"),
    "status": ("noria.cli.status", "champion, services, labels, risk, alarms, next run", "production"),
    "monitor": (
        "noria.cli.monitor",
        "each test's evidence against its threshold, label debt, data",
        "production",
    ),
    "alarms": ("noria.cli.alarms", "what the monitors found: see, acknowledge, mute, resolve", "production"),
    "gc": ("noria.cli.gc", "give up old artifacts that nobody needs", "production"),
    "audit": ("noria.cli.audit", "verify the chain of events", "production"),
}

Subparsers = Any  # argparse names the class with an underscore


class Command(Protocol):
    """What a command's module holds."""

    def add(self, subparsers: Subparsers) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def load(name: str) -> Command:
    """A command's module, imported now."""
    return cast(Command, importlib.import_module(COMMANDS[name][0]))


class Parser(argparse.ArgumentParser):
    """argparse, whose errors are Noria's."""

    def error(self, message: str) -> NoReturn:
        raise BadUsage(problem=message, command=self.prog)


@dataclass(eq=False)
class BadUsage(UsageError):
    code: ClassVar[str] = "USAGE"
    what: ClassVar[str] = "{problem}"
    next: ClassVar[str] = "{command} --help"
    problem: str
    command: str


@dataclass(eq=False)
class UnknownCommand(UsageError):
    code: ClassVar[str] = "COMMAND-UNKNOWN"
    what: ClassVar[str] = "noria has no command {name!r}"
    next: ClassVar[str] = "{near}"
    name: str
    near: str


def common() -> argparse.ArgumentParser:
    """The options that stand before or after the command; absent ones leave no trace in the namespace."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = parser.add_argument_group("everywhere")
    group.add_argument(
        "-C", "--project", metavar="DIR", type=Path, help="a project, or a folder inside it (default: here)"
    )
    group.add_argument(
        "--traceback",
        action="store_true",
        help="show the traceback of expected errors too (or NORIA_TRACEBACK=1)",
    )
    return parser


def parser_of(
    subparsers: Subparsers, name: str, *, what: str, examples: Sequence[tuple[str, str]], reads: bool = False
) -> argparse.ArgumentParser:
    """A command's parser: `what` it does in some sentences, `examples` of (command line, meaning)."""
    wide = max(len(line) for line, _ in examples)
    epilog = "\n".join(["examples:", *(f"  {line:<{wide}}  {meaning}" for line, meaning in examples)])
    parser = cast(
        argparse.ArgumentParser,
        subparsers.add_parser(
            name,
            help=COMMANDS[name][1],
            description=what,
            epilog=epilog,
            parents=[common()],
            allow_abbrev=False,  # an abbreviation in a script breaks when a second option comes to share it
            formatter_class=argparse.RawDescriptionHelpFormatter,
        ),
    )
    parser.set_defaults(examples=tuple(examples))
    if reads:
        parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    return parser


def dry_run(parser: argparse.ArgumentParser) -> None:
    """`--dry-run`, for a command that changes something."""
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")


def project(args: argparse.Namespace) -> Path | None:
    """Where to look for the project; None: the working folder."""
    return getattr(args, "project", None)
