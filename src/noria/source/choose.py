"""Which files of a working tree belong to the record, and why the others do not."""

from __future__ import annotations

from collections.abc import Container, Iterable

from noria.ports.source import Checkout
from noria.records.base import Record
from noria.records.sources import LeftOut

EXAMPLE = ".env.example"  # the one that is written to be shown
STATE = ".noria"
BYTECODE = "__pycache__"
ENVIRONMENT = "pyvenv.cfg"  # marks a folder as a virtual environment


class Chosen(Record):
    """The files to keep, sorted, and those that git would keep but Noria does not."""

    files: tuple[str, ...]
    untracked: tuple[str, ...]
    """Those of `files` that are not in git yet."""
    left_out: tuple[LeftOut, ...]


def choose(checkout: Checkout) -> Chosen:
    """Every file that git tracks or would track, but for secrets and what tools leave lying about.

    What is tracked was meant; of what is not, virtual environments and bytecode are taken for forgotten lines in
    .gitignore.
    """
    deleted = set(checkout.deleted)
    tracked = [path for path in checkout.tracked if path not in deleted and not _own(path)]
    forgotten = _forgotten(checkout.untracked)
    untracked = [path for path in checkout.untracked if not _own(path) and not _within(path, forgotten)]
    unnamed = {path for path in (*tracked, *untracked) if not is_utf8(path)}
    secret = {path for path in (*tracked, *untracked) if holds_secrets(path)} - unnamed
    left_out = [
        *(LeftOut(path=folder, why=why) for folder, why in forgotten.items()),
        *(
            LeftOut(path=readable(path), why="another git repository")
            for path in checkout.strangers
            if not _own(path)
        ),
        *(LeftOut(path=path, why="may hold secrets") for path in secret),
        *(LeftOut(path=readable(path), why="its name is not UTF-8") for path in unnamed),
    ]
    kept = {*tracked, *untracked} - secret - unnamed
    return Chosen(
        files=tuple(sorted(kept)),
        untracked=tuple(sorted(kept.intersection(untracked))),
        left_out=tuple(sorted(left_out, key=lambda one: one.path)),
    )


def holds_secrets(path: str) -> bool:
    """Whether a path is, or lies in, a `.env` or `.env.something`; in any case, for some disks know none."""
    return any(_is_env(part) for part in path.lower().split("/"))


def _is_env(name: str) -> bool:
    return name == ".env" or (name.startswith(".env.") and name != EXAMPLE)


def _forgotten(untracked: Iterable[str]) -> dict[str, str]:
    """Untracked folders that nobody would commit, with a slash at their end, and what they are."""
    found = {}
    for path in untracked:
        folder, _, name = path.rpartition("/")
        if name == ENVIRONMENT and folder:
            found[f"{folder}/"] = "a virtual environment"
        elif folder == BYTECODE or folder.endswith(f"/{BYTECODE}"):
            found[f"{folder}/"] = "bytecode"
    return {folder: why for folder, why in found.items() if not _within(folder.rstrip("/"), found)}


def _within(path: str, folders: Container[str]) -> bool:
    """Whether any folder around `path` is one of these."""
    parts = path.split("/")
    return any("/".join(parts[:depth]) + "/" in folders for depth in range(1, len(parts)))


def _own(path: str) -> bool:
    """Whether it is of the folder where Noria keeps the project's records and objects."""
    return path.partition("/")[0] == STATE


def is_utf8(path: str) -> bool:
    """JSON, and so a record, can hold no other path."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(path: str) -> str:
    """The path as a record can hold it: bytes that are no UTF-8 written out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
