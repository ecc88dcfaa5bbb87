"""The prediction log read beside its writers, whichever form its segments have by now: frames, or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from noria.adapters import log_segment as segments
from noria.adapters.log_dropped import Dropped, read_dropped
from noria.adapters.log_parquet import SUFFIX, Facts, read_facts, read_rotated, tables_of
from noria.adapters.log_rows import Part, header_of, open_segment, read_part
from noria.ports.serving import ID, Cursor, Found, Logged, Piece
from noria.records.predictions import ROWS, parse_id

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 20_000  # rows that are made Arrow at once
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogReader:
    """The `Predictions` of all models under `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._counted: dict[Path, tuple[int, int]] = {}
        self._versions: dict[Path, int] = {}
        self._facts: dict[Path, Facts] = {}

    def read(
        self, model: str, cursor: Cursor, *, limit: int = 1_000_000, version: int | None = None
    ) -> Logged:
        tables: list[pa.Table] = []
        after, torn, left = dict(cursor), 0, limit
        for stem in self._segments(model):
            if left <= 0:
                break
            part = self._part(stem, after.get(stem.name, 0), left, version)
            if part is None:
                continue
            after[stem.name] = part.end
            torn += part.torn
            if part.table is not None:
                tables.append(part.table)
                left -= part.table.num_rows
        return Logged(tables=tables, cursor=after, torn=torn)

    def known(self, model: str, ids: Sequence[str]) -> set[str]:
        given: dict[str, int] = {}
        found = set()
        for text in ids:
            parsed = parse_id(text)
            if parsed is None:
                continue
            segment, row = parsed
            if given.get(segment, -1) <= row:
                given[segment] = self._given(self._root / model / segment)
            if row < given[segment]:
                found.add(text)
        return found

    def pieces(self, model: str, *, version: int | None = None, since: datetime | None = None) -> list[Piece]:
        found = [piece for stem in self._segments(model) if (piece := self._piece(stem)) is not None]
        wanted = [
            piece
            for piece in found
            if version in (None, piece.version)
            and (since is None or piece.newest is None or piece.newest >= since)
        ]
        return sorted(wanted, key=lambda piece: (piece.newest or _LAST, piece.segment), reverse=True)

    def find(self, id: str, model: str | None = None) -> Found | None:
        parsed = parse_id(id)
        if parsed is None:
            return None
        for folder in sorted(self._root.iterdir()) if self._root.is_dir() else ():
            if model in (None, folder.name) and self.known(folder.name, [id]):
                return self._found(folder, parsed[0], id)
        return None

    def dropped(self, model: str, version: int) -> int:
        return sum(
            one.rows if one.own is None else one.own
            for name, one in self._dropped(self._root / model).items()
            if one.version == version and not (self._root / model / (name + SUFFIX)).exists()
        )

    def _segments(self, model: str) -> list[Path]:
        """Every segment by its path without ending, in their order. Frames are listed before Parquet: a segment that
        is rotated meanwhile is in one of the two lists, or in both."""
        folder = self._root / model
        frames = [path.stem for path in folder.glob("*" + segments.SUFFIX)]
        rotated = [path.stem for path in folder.glob("*" + SUFFIX)]
        return [folder / name for name in sorted({*frames, *rotated})]

    def _part(self, stem: Path, start: int, limit: int, version: int | None) -> Part | None:
        """What follows byte `start` of a segment; None where nothing does, or all of it is of another version."""
        facts = self._rotated(stem)
        if facts is None:
            path = stem.with_suffix(segments.SUFFIX)
            try:
                if path.stat().st_size <= start or self._is_of_another(path, version):
                    return None
                return read_part(path, start, limit)
            except FileNotFoundError:  # rotated since we looked
                facts = self._rotated(stem)
        if facts is None or start >= facts.end or version not in (None, facts.version):
            return None
        try:
            return read_rotated(stem.with_suffix(SUFFIX), facts, start, limit)
        except FileNotFoundError:  # too old to be kept
            return None

    def _rotated(self, stem: Path) -> Facts | None:
        """What a Parquet file says of itself, which is read once; None where the segment is none yet, or no more."""
        path = stem.with_suffix(SUFFIX)
        if path not in self._facts:
            try:
                self._facts[path] = read_facts(path)
            except FileNotFoundError:
                return None
        return self._facts[path]

    def _is_of_another(self, path: Path, version: int | None) -> bool:
        """Whether a segment says of itself that another version gave its answers."""
        return version is not None and self._version(path) not in (None, version)

    def _version(self, path: Path) -> int | None:
        """The version of a segment; its header is read once. None while there is none."""
        if path not in self._versions:
            try:
                with path.open("rb", buffering=0) as file:
                    told, _, _ = header_of(file.fileno())
            except segments.Torn:
                return None
            self._versions[path] = told.version
        return self._versions[path]

    def _given(self, stem: Path) -> int:
        """How many ids a segment gave out; what was counted once is not read again."""
        path = stem.with_suffix(segments.SUFFIX)
        end, ids = self._counted.get(path, (0, 0))
        try:
            if path.stat().st_size <= end:
                return ids
            part = read_part(path, end, ROWS, keep=False)
        except FileNotFoundError:
            return self._given_before(stem)
        self._counted[path] = (part.whole, ids + part.ids)
        return ids + part.ids

    def _given_before(self, stem: Path) -> int:
        facts = self._rotated(stem)
        if facts is not None:
            return facts.ids
        gone = self._dropped(stem.parent).get(stem.name)
        return gone.ids if gone else 0

    def _dropped(self, folder: Path) -> dict[str, Dropped]:
        return read_dropped(folder)

    def _piece(self, stem: Path) -> Piece | None:
        facts = self._rotated(stem)
        if facts is not None:
            newest = EPOCH + timedelta(microseconds=facts.newest)
            return Piece(stem.name, facts.version, newest, partial(tables_of, stem.with_suffix(SUFFIX)))
        try:
            version = self._version(stem.with_suffix(segments.SUFFIX))
        except FileNotFoundError:
            return self._piece(stem) if self._rotated(stem) else None
        return None if version is None else Piece(stem.name, version, None, partial(_tables, stem))

    def _found(self, folder: Path, segment: str, id: str) -> Found:
        piece = self._piece(folder / segment)
        if piece is None:
            return Found(folder.name, self._dropped(folder)[segment].version, None)
        for table in piece.tables(None):
            place = _place(table, id)
            if place is not None:
                return Found(folder.name, piece.version, table.slice(place, 1))
        return Found(folder.name, piece.version, None)


def _tables(stem: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a segment of frames; of the Parquet file that it has become meanwhile."""
    try:
        opened = open_segment(stem.with_suffix(segments.SUFFIX))
    except FileNotFoundError:
        yield from tables_of(stem.with_suffix(SUFFIX), columns)
        return
    for part in opened.parts(CHUNK) if opened else ():
        if part.table is not None:
            names = part.table.column_names if columns is None else columns
            yield part.table.select([name for name in names if name in part.table.column_names])


def _place(table: pa.Table, id: str) -> int | None:
    """A row's place by its id: they are in order."""
    from bisect import bisect_left

    ids = table.column(ID).to_pylist() if table.num_rows else []
    place = bisect_left(ids, id)
    return place if place < len(ids) and ids[place] == id else None


_LAST = datetime.max.replace(tzinfo=UTC)  # what is being written is the newest
