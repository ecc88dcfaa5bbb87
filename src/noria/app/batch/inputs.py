"""What a batch's input is: its files as they lie, held against the signature before any row is answered, and cut into pieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.batch.checked import fits
from noria.app.batch.errors import BadSchema, NoInput, OutputIsInput
from noria.app.batch.formats import ARROW, ENDINGS, PARQUET, is_known, partitions, schema_of
from noria.graph.columns import Misfit, type_name
from noria.ports.places import Lying, Place
from noria.records.batches import InputFile, Piece
from noria.records.patterns import EVERYTHING, Pattern, matcher, pattern_of
from noria.records.versions import Version
from noria.serving.asked import Reader

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 1_000_000  # of a part: some seconds' work, which is what a kill costs, and some MB, which one request stores
AT_ONCE = 8  # files looked at: a bucket takes 30 ms for each
FAULTS = 20  # that an error spells out: a screen

Open = Callable[[str], Place]


@dataclass(frozen=True)
class Found:
    """The files, and where they lie."""

    place: Place
    below: str
    """The pattern below the place by which they were found."""
    files: Sequence[Lying]


@dataclass(frozen=True)
class Looked:
    """A file whose columns have been seen."""

    lying: Lying
    schema: pa.Schema
    groups: Sequence[int] | None


def absolute(address: str) -> str:
    """An address that means the same in another folder."""
    return address if "://" in address else os.path.normpath(Path.cwd() / address)


def find(pattern: Pattern, open_place: Open) -> Found:
    """A file, what fits a pattern, or all that a batch reads below a folder. Raises `NoInput`, and what places raise."""
    place = open_place(pattern.root)
    found, below = list(place.files(pattern.below)) if pattern.below else [], pattern.below
    if not found and not pattern.wild:
        place, below = open_place(pattern.whole), EVERYTHING
        found = list(place.files(below))
    known = [one for one in found if is_known(one.name)] if below == EVERYTHING or pattern.wild else found
    if not known:
        besides = f" that a batch reads, among {len(found)} others" if found else ""
        raise NoInput(input=pattern.text, besides=besides, known=ENDINGS)
    return Found(place, below, known)


def require_apart(found: Found, pattern: Pattern, output: str) -> None:
    """Raises `OutputIsInput` where the next batch would read what this one writes, or overwrite its own rows."""
    source = found.place.url.rstrip("/") + "/"
    into = _real(output) + "/"
    source = _real(source.rstrip("/")) + "/"
    inside = into.startswith(source) and matcher(found.below).fullmatch(
        f"{into[len(source) :]}part-0.parquet"
    )
    if inside or (source.startswith(into) and found.below == EVERYTHING):
        raise OutputIsInput(input=pattern.text, output=output)


def look(found: Found, version: Version, columns: Sequence[str]) -> Sequence[Looked]:
    """Each file's columns, once all of them are what the version takes. Raises `BadFile`, `BadSchema`, `UnknownInput`."""
    reader = reader_of(version, rows=1)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        looked = list(pool.map(lambda lying: _look(found.place, lying), found.files))
    faults: dict[str, list[str]] = {}
    for one in looked:
        for fault in _faults(one, reader, columns):
            faults.setdefault(fault, []).append(one.lying.name)
    if faults:
        raise BadSchema(version=version.name, faults=_told(faults))
    return looked


def reader_of(version: Version, *, rows: int) -> Reader:
    """What the version's service reads requests with. Raises `CannotCarry`."""
    return Reader(version.signature, model=version.model, max_rows=rows)


def as_files(looked: Sequence[Looked]) -> tuple[InputFile, ...]:
    return tuple(
        InputFile(
            path=one.lying.name,
            size=one.lying.size,
            tag=one.lying.tag,
            rows=None if one.groups is None else sum(one.groups),
        )
        for one in looked
    )


def pieces(looked: Sequence[Looked]) -> tuple[Piece, ...]:
    """In the order of the files and of their rows. Row groups are answered together up to `PART_ROWS`; files without rows
    make no part, but for one where there are none with rows."""
    made = [piece for at, one in enumerate(looked) for piece in _cut(at, one)]
    made = made or [Piece(part="", file=0)]
    wide = max(5, len(str(len(made))))
    return tuple(
        Piece(part=f"part-{at:0{wide}}.parquet", file=one.file, groups=one.groups, first=one.first)
        for at, one in enumerate(made)
    )


def _cut(file: int, one: Looked) -> Iterator[Piece]:
    if one.groups is None:
        yield Piece(part="", file=file)
        return
    begin = first = rows = 0
    for at, count in enumerate(one.groups):
        if rows and rows + count > PART_ROWS:
            yield Piece(part="", file=file, groups=(begin, at), first=first)
            begin, first, rows = at, first + rows, 0
        rows += count
    if rows:
        yield Piece(part="", file=file, groups=(begin, len(one.groups)), first=first)


def _look(place: Place, lying: Lying) -> Looked:
    with place.open(lying.name, lying.size, lying.tag) as file:
        schema, groups = schema_of(lying.name, file)
    return Looked(lying, schema, groups)


def _faults(one: Looked, reader: Reader, columns: Sequence[str]) -> Iterator[str]:
    typed = one.lying.name.lower().endswith(
        (*PARQUET, *ARROW)
    )  # a text file's columns are read as they are wanted
    names, folders = one.schema.names, partitions(one.lying.name)
    for name in dict.fromkeys([*reader.kinds, *columns]):
        kind = reader.kinds.get(name)
        if names.count(name) > 1:
            yield f"column {name} is there twice"
        elif name in names:
            given = one.schema.field(name).type
            if kind is not None and typed and not fits(given, kind.type):
                yield f"column {name} is {type_name(given)}, expected {kind.expected}"
        elif name not in folders:
            yield f"there is no column {name}" + ("" if kind is None else f", expected {kind.expected}")
        elif kind is not None and (text := folders[name]) is not None:
            try:
                kind.one_written(text)
            except Misfit:
                yield f"its folder says {name}={text}, expected {kind.expected}"


def _told(faults: dict[str, list[str]]) -> str:
    """A line a fault, with the first file that has it."""
    lines = []
    for fault, files in list(faults.items())[:FAULTS]:
        more = f" (and {len(files) - 1} more files)" if len(files) > 1 else ""
        lines.append(f"{files[0]}: {fault}{more}")
    if len(faults) > FAULTS:
        lines.append(f"... and {len(faults) - FAULTS} more")
    return "\n".join(lines)


def _real(address: str) -> str:
    return address.rstrip("/") if "://" in address else os.fspath(Path(address).resolve())


def pattern(address: str) -> Pattern:
    """Of an input's address."""
    return pattern_of(absolute(address))
