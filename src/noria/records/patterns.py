"""What a data step names when it reads files: one file, a folder, or a pattern; on this machine or in a bucket."""

from __future__ import annotations

import re
from typing import NamedTuple

SCHEMES = ("s3", "gs", "az")
WILD = re.compile(r"[*?\[]")
NAME = r"(?!\.)[^/]"  # the first character of a name that is not hidden
EVERYTHING = "**/*"


class Pattern(NamedTuple):
    """A name, cut where its wildcards begin."""

    text: str
    """As it was given, without what looks like credentials."""
    scheme: str
    """Empty for files of this machine."""
    root: str
    """A folder, or a bucket with a prefix: without wildcards."""
    below: str
    """What is looked for beneath; empty for all that is there."""
    wild: bool
    """Whether it holds wildcards."""

    @property
    def whole(self) -> str:
        """Root and rest together."""
        return f"{self.root.rstrip('/')}/{self.below}" if self.below else self.root


def pattern_of(text: str, *, literal: bool = False) -> Pattern:
    """`data/*.csv` is `*.csv` below `data`. `literal`: nothing in it is a wildcard."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    parts = rest.split("/")
    if scheme:
        parts[0] = parts[0].rpartition("@")[2]
    first = len(parts) - 1
    if not literal:
        first = next((at for at, part in enumerate(parts) if WILD.search(part)), first)
    first = max(first, 1) if scheme else first
    root = "/".join(parts[:first]) or ("/" if rest.startswith("/") else "")
    before = f"{scheme}{separator}" if scheme else ""
    below = "/".join(parts[first:])
    wild = not literal and WILD.search(below) is not None
    return Pattern(before + "/".join(parts), scheme, before + root, below, wild)


def matcher(below: str) -> re.Pattern[str]:
    """What fits, as paths with forward slashes. As in a shell: `*` and `?` stay within a name, `**` is any number of
    folders, and neither stands for a hidden name."""
    *folders, last = below.split("/")
    parts = [rf"(?:{NAME}[^/]*/)*" if part == "**" else f"{_segment(part)}/" for part in folders]
    parts.append(rf"(?:{NAME}[^/]*/)*{NAME}[^/]*" if last == "**" else _segment(last))
    return re.compile("".join(parts))


def _segment(text: str) -> str:
    found = re.sub(r"\[(!?)([^\]]+)\]|[*?]|[^*?\[]+|\[", _piece, text)
    return rf"(?!\.){found}" if WILD.match(text) else found


def _piece(match: re.Match[str]) -> str:
    text = match[0]
    if match[2]:
        inside = match[2].replace("\\", "\\\\")
        return f"[{'^/' if match[1] else ''}{inside}]"
    return {"*": "[^/]*", "?": "[^/]"}.get(text) or re.escape(text)
