"""From words to an exit code: the one place where errors are rendered."""

from __future__ import annotations

import argparse
import difflib
import gc
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn

from noria import __version__
from noria.cli.commands import COMMANDS, BadUsage, Parser, Subparsers, UnknownCommand, common, load
from noria.errors import Bug, NoriaError, render

YOUNG = 50_000  # objects; imports and records make many and hardly a cycle, and Python's 700 looks for one 150 times a run
INTERRUPTED = 130  # 128 + SIGINT, as shells count
NUMBER = re.compile(r"-\d*\.?\d+(e[-+]?\d+)?", re.IGNORECASE)  # a negative one, and no option
TAKES_VALUE = ("-C", "--project")  # options before the command whose next word is not the command


@dataclass(eq=False)
class Unexpected(Bug):
    code: ClassVar[str] = "BUG"
    what: ClassVar[str] = "this is a bug in Noria: {error}"
    next: ClassVar[str] = "report it with the traceback above, the command and Noria's version ({version})"
    error: str
    version: str


def command() -> NoReturn:
    """The process `noria`: one command line, and its exit code."""
    gc.set_threshold(YOUNG, 20, 20)
    _stand_in()
    code = main()
    from noria.app.leaving import leave

    leave(code)


def _stand_in() -> None:
    """Nothing takes the places of stdin, stdout and stderr where whoever started us closed them: else the next file that
    is opened would, and what a library says would be written into it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(
                sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode)
            )  # the lowest number that is free


def main(words: Sequence[str] | None = None) -> int:
    """Carry out one command line; the exit code says who must act."""
    try:
        code = _guarded(list(sys.argv[1:] if words is None else words))
        sys.stdout.flush()  # a closed pipe shows now, and not when the interpreter ends
    except BrokenPipeError:  # who read our output has seen enough
        _write_no_more()
        return 0
    except OSError as error:
        from noria.cli.render import NotWritten

        _write_no_more()
        return _fail(NotWritten(reason=error.strerror or str(error)))
    return code


def _write_no_more() -> None:
    """Where stdout goes cannot take what it still holds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _guarded(words: list[str]) -> int:
    try:
        return _carry_out(words)
    except NoriaError as error:
        if "--traceback" in words or os.environ.get("NORIA_TRACEBACK"):
            traceback.print_exc()
        return _fail(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as error:  # argparse's --help and --version
        return error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BrokenPipeError:
        raise
    except Exception as error:  # the last line of defence: whatever arrives here is ours to mend
        traceback.print_exc()
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _fail(Unexpected(error=said, version=__version__))


def _fail(error: NoriaError) -> int:
    sys.stdout.flush()
    print(render(error), file=sys.stderr)
    return error.exit


def _carry_out(words: list[str]) -> int:
    name = _asked_for(words)
    if name is None and not words:
        from noria.cli.overview import overview

        print(overview())
        return 0
    if name is not None and name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=3, cutoff=0.6)
        meant = f"did you mean {' or '.join(f'`noria {one}`' for one in near)}?" if near else "noria --help"
        raise UnknownCommand(name=name, near=meant)
    args, left = build_parser([name] if name else []).parse_known_args(words)
    if name is None:
        raise BadUsage(problem="a command is missing", command="noria")
    if left := _placed(args, left):
        raise BadUsage(problem=f"no such option or argument: {' '.join(left)}", command=f"noria {name}")
    return load(name).run(args)


def _placed(args: argparse.Namespace, left: list[str]) -> list[str]:
    """What nobody takes. argparse gives a positional that may be left out no word that stands behind an option: a
    command names such a one as `late`."""
    late = getattr(args, "late", None)
    if (
        late
        and len(left) == 1
        and getattr(args, late) is None
        and (left[0][:1] != "-" or NUMBER.fullmatch(left[0]))
    ):
        setattr(args, late, left[0])
        return []
    return left


def _asked_for(words: Sequence[str]) -> str | None:
    """The first word that is neither an option nor an option's value."""
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in TAKES_VALUE:
            skip = True
        elif not word.startswith("-"):
            return word
    return None


def build_parser(full: Sequence[str] = tuple(COMMANDS)) -> Parser:
    """The parser, with the options of the commands in `full`; the others stand there with their one line."""
    parser = Parser(
        prog="noria",
        description="Keeps a model in production fresh with the very stream that it answers.",
        epilog="`noria COMMAND --help` explains a command, with examples.",
        parents=[common()],
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"noria {__version__}")
    subparsers: Subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    for name, (_, line, _) in COMMANDS.items():
        if name in full:
            load(name).add(subparsers)
        else:
            subparsers.add_parser(name, help=line, add_help=False)
    return parser
