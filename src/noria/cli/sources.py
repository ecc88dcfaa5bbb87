"""What a data step read outside, as text: for `noria show`, `noria data` and `noria diff`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from noria.app.pages.words import count, pinned, size
from noria.app.sources import FileMoved, SourceChange, SourceDetail
from noria.cli.render import paint, table

LISTED = 10  # files of a list; --json has all of them
COLOURS = {"added": "green", "removed": "red", "changed": "yellow"}


def source_lines(sources: Iterable[SourceDetail]) -> Iterator[str]:
    """Each source, with the first of its files."""
    for one in sources:
        yield f"  read {pinned(one.source)}{_outline(one)}"
        if one.manifest and len(one.manifest.files) > 1:
            files = one.manifest.files
            yield from table(
                ("file", "size"), [(file.path, size(file.size)) for file in files[:LISTED]], indent=4
            )
            yield from _more(len(files), 4)


def change_lines(changes: Iterable[SourceChange]) -> Iterator[str]:
    """What differs in what was read; what is the same in one line."""
    for change in changes:
        yield f"  {_sides(change)}"
        rows = [_row(moved) for moved in change.files[:LISTED]]
        yield from (f"    {paint(kind, COLOURS[kind])}  {rest}" for kind, rest in _aligned(rows))
        yield from _more(len(change.files), 4)


def _outline(one: SourceDetail) -> str:
    if one.manifest is None:
        return ": its list of files is kept no more" if one.source.manifest else ""
    files = one.manifest.files
    kept = "" if one.manifest.kept else ", by digest alone"
    return f": {count(len(files), 'file')}, {size(sum(file.size for file in files))}{kept}"


def _sides(change: SourceChange) -> str:
    side = change.b or change.a
    text = pinned(side) if side else change.name
    if change.same:
        return f"read {text}: the same"
    if change.a is None or change.b is None:
        return f"read {text}: {'only now' if change.a is None else 'no longer'}"
    if change.gone:
        return f"read {text}: changed; a list of its files is kept no more"
    if change.files:
        kinds = [moved.kind for moved in change.files]
        told = [f"{kinds.count(kind)} {kind}" for kind in COLOURS if kind in kinds]
        return f"read {text}: {', '.join(told)}"
    return f"read {pinned(change.a)} -> {pinned(change.b)}"


def _row(moved: FileMoved) -> tuple[str, str, str]:
    sizes = [size(one) for one in (moved.a, moved.b) if one is not None]
    return moved.kind, moved.path, " -> ".join(dict.fromkeys(sizes))


def _aligned(rows: list[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    wide = max((len(path) for _, path, _ in rows), default=0)
    for kind, path, sizes in rows:
        yield kind, f"{'' if kind != 'added' else '  '}{path.ljust(wide)}  {sizes}"


def _more(total: int, indent: int) -> list[str]:
    return [f"{' ' * indent}... and {count(total - LISTED, 'more file')}"] if total > LISTED else []
