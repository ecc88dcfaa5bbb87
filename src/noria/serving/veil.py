"""What of a request's rows reaches the disk: columns that are null or hashed in the log, and which rows a sample keeps.

All of it happens before a row is given to the log, in the process that answers, with Arrow or without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from noria.errors import ConfigError
from noria.graph.columns import values_of
from noria.ports.serving import NONE, SOME, Layout, some
from noria.records.policy import LogPolicy
from noria.records.predictions import Hashing, is_kept, prediction_ids
from noria.records.versions import Signature
from noria.serving.columns import ReadColumns
from noria.serving.rows import as_python

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.serving.outbox import Outbox

Payload = Callable[[Sequence[int] | None], bytes]
"""A request as the log takes it: all of its rows, or those at some places alone."""


@dataclass(eq=False)
class VeiledRole(ConfigError):
    code: ClassVar[str] = "LOG-COLUMN-NEEDED"
    what: ClassVar[str] = (
        "[service.log] {setting} names {column}, the {role} of {version}, without which {loss}"
    )
    next: ClassVar[str] = "{fix}"
    setting: str
    column: str
    role: str
    version: str
    loss: str
    fix: str


@dataclass(frozen=True)
class Veil:
    """How the rows of one version are shown to the log."""

    signature: Signature
    policy: LogPolicy
    hashing: Hashing | None

    def row(self) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """Of a row as the quick reader gives it, what the log may have."""
        changes = dict(self._changes())

        def shown(row: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(changes[at](value) if at in changes else value for at, value in enumerate(row))

        return shown

    def columns(self) -> Callable[[ReadColumns], ReadColumns]:
        """The same of a large request."""
        changes = dict(self._changes())

        def shown(read: ReadColumns) -> ReadColumns:
            return read.with_values(
                {at: list(map(change, read.column(at))) for at, change in changes.items()}
            )

        return shown

    def batch(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The same of typed rows."""
        import pyarrow as pa

        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        for name in columns.keys() & {*self.policy.redact}:
            columns[name] = pa.nulls(rows.num_rows, columns[name].type)
        for name in columns.keys() & self.hashed:
            columns[name] = pa.array([self._hash(value) for value in values_of(columns[name])], pa.string())
        return pa.RecordBatch.from_pydict(columns)

    @property
    def hashed(self) -> frozenset[str]:
        return self.hashing.columns if self.hashing else frozenset()

    def _hash(self, value: object) -> str | None:
        return None if value is None or self.hashing is None else self.hashing.text(value)

    def _changes(self) -> Mapping[int, Callable[[Any], Any]]:
        changes: dict[int, Callable[[Any], Any]] = {}
        for at, column in enumerate(self.signature.request):
            if column.name in self.policy.redact:
                changes[at] = _nothing
            elif column.name in self.hashed:
                changes[at] = self._hashing(as_python(column))
        return changes

    def _hashing(self, read: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return lambda value: None if value is None else self._hash(read(value))


def check_roles(signature: Signature, policy: LogPolicy, *, version: str) -> None:
    """Raises `VeiledRole` where a column would be missed by what is done with the log."""
    losses = {
        "key": (signature.key, "no label by key finds its prediction", True),
        "unit": ((signature.unit,), "rows of one unit would count as independent", True),
        "time": ((signature.time,), "its rows have no block", False),
    }
    for role, (columns, loss, may_hash) in losses.items():
        for setting in ("redact",) if may_hash else ("redact", "hash"):
            for column in {*getattr(policy, setting)} & {*columns}:
                fix = "name it in hash: it then still joins" if may_hash else "leave it out of both lists"
                raise VeiledRole(setting, str(column), role, version, loss, fix)


def take(
    outbox: Outbox, layout: Layout, kind: int, rows: int, payload: Payload, share: float
) -> tuple[str, int, int]:
    """Give the log its sample of a request's rows; segment and row of the first, and how many were left out. Raises as
    `Outbox.take`."""
    segment, first = outbox.place(layout, rows)
    ids = prediction_ids(segment, first, rows)
    kept = [place for place, id in enumerate(ids) if is_kept(id, share)]
    if len(kept) == rows:
        outbox.take(layout, kind, rows, payload(None))
    elif kept:
        outbox.take(layout, kind | SOME, rows, some(kept, payload(kept)))
    else:
        outbox.take(layout, NONE, rows, b"")
    return segment, first, rows - len(kept)


def _nothing(value: Any) -> None:
    return None
