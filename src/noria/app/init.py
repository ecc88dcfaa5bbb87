"""A new project: four files that run as they are."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import Conflict, UsageError
from noria.records.base import Record

TEMPLATES = Path(__file__).with_name("templates")
FILES = {  # in the project: (its template, whether one that is there already is kept instead of refused)
    "noria.toml": ("noria.toml.txt", False),
    "pipeline.py": ("pipeline.py.txt", False),
    "pyproject.toml": ("pyproject.toml.txt", True),
    ".gitignore": ("gitignore.txt", True),
}
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
LONGEST = 64  # characters of a name
NAMELESS = "delay"  # the model of a folder whose name holds no letter to begin with
# names that the example's pipeline.py uses for something else
TAKEN = frozenset(
    [
        "noria",
        "np",
        "pl",
        "parcels",
        "features",
        "split",
        "train",
        "holdout",
        "classifier",
        "late",
        "log_loss",
        "quality",
        "one_day",
        "date",
        "datetime",
        "timedelta",
        "DEPOTS",
        "UTC",
        "HistGradientBoostingClassifier",
        "roc_auc_score",
    ]
)


class Made(Record, kw_only=True):
    """What `init` wrote, and what it found and left alone."""

    folder: str
    name: str
    written: tuple[str, ...]
    kept: tuple[str, ...] = ()
    in_git: bool = False


@dataclass(eq=False)
class AlreadyThere(Conflict):
    code: ClassVar[str] = "INIT-EXISTS"
    what: ClassVar[str] = "{folder} has {files} already; nothing was written"
    next: ClassVar[str] = "`noria run` if it is a Noria project, else name another folder: noria init DIR"
    folder: str
    files: Sequence[str]


@dataclass(eq=False)
class BadName(UsageError):
    code: ClassVar[str] = "INIT-NAME"
    what: ClassVar[str] = "{name!r} cannot name the model: {why}"
    next: ClassVar[str] = "noria init --name delay"
    name: str
    why: str


@dataclass(eq=False)
class CannotWrite(UsageError):
    code: ClassVar[str] = "INIT-WRITE"
    what: ClassVar[str] = "{path} cannot be written: {reason}"
    next: ClassVar[str] = "name another folder: noria init DIR"
    path: str
    reason: str


def init(folder: Path, *, name: str | None = None, dry_run: bool = False) -> Made:
    """Write a project into `folder`, made if need be, with a model named after it unless `name` is given. A
    pyproject.toml and a .gitignore that are there stay as they are. Raises `AlreadyThere` before writing anything,
    `BadName`, `CannotWrite`."""
    name = name_after(folder) if name is None else name
    _check(name)
    there = [file for file in FILES if (folder / file).exists()]
    in_the_way = [file for file in there if not FILES[file][1]]
    if in_the_way:
        raise AlreadyThere(folder=str(folder), files=in_the_way)
    missing = [file for file in FILES if file not in there]
    if not dry_run:
        _write(folder, missing, name)
    return Made(
        folder=str(folder), name=name, written=tuple(missing), kept=tuple(there), in_git=_in_git(folder)
    )


def name_after(folder: Path) -> str:
    """A model's name out of a folder's: `My-Trips (2)` gives `my_trips_2`, `parcels` gives `parcels_model` because
    the example has parcels of its own."""
    words = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower())
    name = words.lstrip("_0123456789")[:LONGEST].rstrip("_")
    if not name:
        return NAMELESS
    return f"{name}_model" if keyword.iskeyword(name) or _taken(name) else name


def _check(name: str) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise BadName(name=name, why="it becomes a Python variable: letters, digits and _, a letter first")
    if _taken(name):
        raise BadName(name=name, why="the example's pipeline.py uses that name for something else")


def _taken(name: str) -> bool:
    return name in TAKEN or hasattr(builtins, name)


def _write(folder: Path, files: Sequence[str], name: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            text = (TEMPLATES / FILES[file][0]).read_text(encoding="utf-8").replace("MODEL", name)
            with (folder / file).open("x", encoding="utf-8") as out:
                out.write(text)
    except OSError as error:
        raise CannotWrite(path=error.filename or str(folder), reason=error.strerror or str(error)) from error


def _in_git(folder: Path) -> bool:
    here = folder.resolve()
    return any((one / ".git").exists() for one in (here, *here.parents))
