"""The reference page of the command line, made from the parsers: `python -m noria.cli.reference > docs/cli.md`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from noria.cli.commands import COMMANDS, common
from noria.cli.overview import TITLES
from noria.cli.start import build_parser

HEAD = """# The command line

<!-- made by `python -m noria.cli.reference > docs/cli.md`; a test compares -->

`noria` alone says what there is, `noria COMMAND --help` explains a command. Results go to stdout, progress and errors
to stderr. Colour is for terminals alone, and not with `NO_COLOR`; in a pipe the same words and columns arrive plain,
at least two blanks between columns and `-` for what is absent.

`--json` prints one document: the records in their canonical JSON, keys sorted, times in UTC, and **fields at their
default left out**. Read what is absent as null, 0, false or empty.

| exit code | meaning | who must act |
| --- | --- | --- |
| 0 | done | |
| 1 | a negative verdict: a gate refused or could not decide, or a step failed | the modeller |
| 2 | wrong usage, or a fault in `noria.toml`, the pipeline or the environment | the caller, the project's owner |
| 3 | what was named is not there, or the state has moved on | the caller |
| 4 | something outside does not answer, or the operator must act (a full disk) | try later, the operator |
| 5 | stored bytes or events are not what they were: stop everything | the operator |
| 70 | a bug in Noria, with its traceback | us |
| 130 | interrupted | |

An error names its code, what is wrong and what to do next:

    error[RUN-UNKNOWN]: there is no run delay/99
      next:  noria runs
"""


def reference() -> str:
    """The whole page."""
    lines = [HEAD, "Options that stand before or after every command:", "", *_options(common()), ""]
    parsers = _parsers()
    for group, title in TITLES.items():
        lines += [f"## {title}", ""]
        for name in (name for name, (_, _, where) in COMMANDS.items() if where == group):
            lines += _command(name, parsers[name])
    return "\n".join(lines).rstrip() + "\n"


def _parsers() -> dict[str, argparse.ArgumentParser]:
    top = build_parser()
    action = next(one for one in top._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


def _command(name: str, parser: argparse.ArgumentParser) -> list[str]:
    examples = parser.get_default("examples")
    wide = max(len(line) for line, _ in examples)
    options = list(_options(parser))
    return [
        f"### noria {name}",
        "",
        f"`{_usage(name, parser)}`",
        "",
        *(parser.description or "").replace("\nWith --json", "\n\nWith --json").splitlines(),
        "",
        *options,
        *([""] if options else []),
        "```sh",
        *(f"{line:<{wide}}  # {meaning}" for line, meaning in examples),
        "```",
        "",
    ]


def _usage(name: str, parser: argparse.ArgumentParser) -> str:
    words, grouped = [f"noria {name}"], set()
    for group in parser._mutually_exclusive_groups:
        grouped |= {action.dest for action in group._group_actions}
        choice = " | ".join(_invocation(action, short=True) for action in group._group_actions)
        words.append(f"({choice})" if group.required else f"[{choice}]")
    alone = [action for action in _own(parser) if action.dest not in grouped]
    needed = [_invocation(action, short=True) for action in alone if action.required]
    optional = [f"[{_invocation(action, short=True)}]" for action in alone if not action.required]
    return " ".join([words[0], *needed, *words[1:], *optional])


def _options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in _own(parser, shared=parser.get_default("examples") is None):
        yield f"- `{_invocation(action)}`: {action.help}"


def _own(parser: argparse.ArgumentParser, *, shared: bool = False) -> list[argparse.Action]:
    """A parser's arguments in their order, without help and without what every command has."""
    everywhere = () if shared else tuple(action.dest for action in common()._actions)
    own = [
        action
        for action in parser._actions
        if action.dest not in everywhere and not isinstance(action, argparse._HelpAction)
    ]
    return sorted(own, key=lambda action: (bool(action.option_strings), action.dest == "json"))


def _invocation(action: argparse.Action, *, short: bool = False) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    names = action.option_strings[:1] if short else action.option_strings
    return ", ".join(f"{name} {value}".rstrip() for name in names)


if __name__ == "__main__":
    print(reference(), end="")
