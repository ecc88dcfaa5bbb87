"""A few raw rows of a version's training data, to try it with before any request, and to show how one is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.errors import Corrupt, NotFound
from noria.graph.columns import as_json
from noria.records.base import Json
from noria.records.versions import Version
from noria.serving.answers import plain
from noria.serving.log import Narrator

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.artifacts import Artifacts

TRIED = 16  # rows: enough to load every library


def training_rows(version: Version, artifacts: Artifacts, narrate: Narrator) -> pa.Table | None:
    """Raw rows with the request's columns; None, said aloud, where the store does not have them any more, or
    not as they were: who answers needs none of them."""
    names = [column.name for column in version.signature.request]
    try:
        return artifacts.table(version.rows).select(names).slice(0, TRIED)
    except (NotFound, Corrupt) as error:
        narrate("warmup.skipped", version=version.name, why=str(error))
        return None


def sample_of(version: Version, artifacts: Artifacts, narrate: Narrator) -> tuple[dict[str, Json], ...]:
    """The same as requests would send them; none where there are none."""
    rows = training_rows(version, artifacts, narrate)
    return () if rows is None else as_requests(rows)


def as_requests(rows: pa.Table) -> tuple[dict[str, Json], ...]:
    columns = [
        [as_json(value) for value in plain(rows.column(name).combine_chunks())] for name in rows.column_names
    ]
    return tuple(dict(zip(rows.column_names, row, strict=True)) for row in zip(*columns, strict=True))
