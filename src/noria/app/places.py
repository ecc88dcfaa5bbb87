"""Where a setting stands in its file: faults with lines."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import NamedTuple

KeyPath = tuple[str, ...]


class Fault(NamedTuple):
    """One thing that is wrong in a file."""

    path: str
    line: int | None
    what: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.path} {self.what}" if self.path else f"{where}{self.what}"


def lines_of(text: str) -> dict[KeyPath, int]:
    """Where each table and each key of a valid TOML text first stands, keys inside `{ }` left out."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    keys: list[str] = []
    where, depth, line = "key", 0, 1
    for token in TOKEN.findall(text):
        if where == "value":
            depth += (token in "[{") - (token in "]}")
            where = "key" if token == "\n" and not depth else "value"
        elif token == "\n":
            where, keys = "key", []
        elif token == "[":
            where = "header"
        elif token in "=]":
            path = (*(table if where == "key" else ()), *keys)
            for end in range(1, len(path) + 1):
                found.setdefault(path[:end], line)
            if where == "header":
                table = path
            keys, where = [], "value" if token == "=" else "key"
        elif token != "." and not token.startswith("#"):
            keys.append(next(iter(tomllib.loads(f"{token} = 0"))))
        line += token.count("\n")
    return found


TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}"  # text over several lines, which may end in one or two quotes
    r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'"
    r"|#[^\n]*|\n|[\[\]{}=.,]|[^\s\[\]{}=.,#\"']+",
    re.DOTALL,
)  # fmt: skip


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """The line of a key, else of the nearest table around it."""
    around = (path[:depth] for depth in range(len(path), 0, -1))
    return next((lines[part] for part in around if part in lines), None)


def dotted(path: KeyPath) -> str:
    return ".".join(key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key) for key in path)


def syntax_fault(error: tomllib.TOMLDecodeError) -> Fault:
    """The parser knows the place in words alone, before Python 3.14."""
    what, _, place = str(error).rpartition(" (at ")
    line = re.search(r"line (\d+)", place)
    return Fault("", int(line[1]) if line else None, f"no TOML: {what or error}")
