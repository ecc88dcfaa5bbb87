"""In a worker: a table into a list of tables, one for each combination of values in some columns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from noria.artifacts.lists import save_list
from noria.artifacts.tables import as_kind
from noria.declare import Resolved
from noria.graph.rows import beside, require
from noria.records.tasks import Divide, Divided

if TYPE_CHECKING:
    from noria.artifacts import Artifacts


def divide(task: Divide, resolved: Resolved, artifacts: Artifacts) -> Divided:
    """Parts by the columns' values in ascending order, nulls last; rows keep their order, and each part has the
    library that the table was made with. Raises `MissingColumns`."""
    import polars as pl

    started = time.perf_counter()
    table = artifacts.table(task.table)
    if task.rows is not None:
        table = beside(table, artifacts.table(task.rows), resolved.data)
    require(table, task.by, where=f"table {task.name}", why="`noria.Partition` names")
    parts = pl.DataFrame(table).partition_by(task.by, maintain_order=True)
    if parts:
        keys = pl.concat([part.select(task.by).head(1) for part in parts]).with_row_index("noria index")
        order = keys.sort(task.by, nulls_last=True, maintain_order=True)["noria index"].to_list()
        parts = [parts[at] for at in order]
    stored = [artifacts.save(as_kind(part.to_arrow(), task.table.type)) for part in parts]
    return Divided(parts=save_list(stored, artifacts.store), seconds=time.perf_counter() - started)
