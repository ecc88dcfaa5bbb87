"""Tables that keep their past, read at one moment of it: the snapshot's id goes into the record of the run."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.inside.context import current
from noria.inside.reading import recorded
from noria.inside.snapshot_errors import (
    Kind,
    NeedsTables,
    NoSnapshot,
    NoTable,
    OtherTable,
    SnapshotAsked,
    TableUnreadable,
)
from noria.records.runs import DataSource

if TYPE_CHECKING:
    import polars as pl

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LONGEST = 300  # characters of a library's own words


def delta(
    uri: str | os.PathLike[str],
    *,
    version: int | None = None,
    as_of: datetime | None = None,
    storage_options: dict[str, str] | None = None,
) -> pl.LazyFrame:
    """A Delta table as it was at a version, or at a time; the newest when neither is named. Version, time of the commit
    and location go into the record of the run; `storage_options` and credentials do not. Needs `noria[delta]`.

    A local path is taken from the project's folder. Raises `NoTable`, `NoSnapshot`, `TableUnreadable`.
    """
    _require_one("delta", version, as_of)
    place, name = _place(os.fspath(uri))
    past = _recalled("delta", name, version)
    if past is not None:
        version, as_of = int(past.version), None
    newest = _delta_table(place, name, storage_options)
    table = newest if version is None and as_of is None else _delta_table(place, name, storage_options)
    _require_same("delta", name, past, str(newest.metadata().id))
    last = int(newest.version())
    if version is not None and not 0 <= version <= last:
        raise NoSnapshot("delta", name, f"version {version}", f"versions up to {last}")
    if version is not None or as_of is not None:
        _go_back(table, name, as_of if version is None else version, last)
    at = _committed(newest, int(table.version()))
    if as_of is not None and (at is None or at > as_of):
        raise NoSnapshot("delta", name, f"version at {as_of:%Y-%m-%d %H:%M:%S%z}", f"none before {at}")
    _record("delta", name, str(table.version()), at, str(table.metadata().id))
    import polars as pl

    return pl.scan_delta(table, storage_options=storage_options)


def iceberg(
    table: str,
    *,
    catalog: str = "default",
    snapshot: int | None = None,
    as_of: datetime | None = None,
    **properties: str,
) -> pl.LazyFrame:
    """An Iceberg table (`"lake.flights"`) as it was at a snapshot, or at a time; the newest when neither is named.
    Snapshot, its time and the table's location go into the record of the run; the catalog's `properties` (as of
    `pyiceberg.catalog.load_catalog`) do not. Needs `noria[iceberg]`.

    Raises `NoTable`, `NoSnapshot`, `TableUnreadable`.
    """
    _require_one("iceberg", snapshot, as_of)
    found = _iceberg_table(table, catalog, properties)
    name = f"{catalog}.{table}"
    where = f"{name} ({_bare(found.location())})"
    past = _recalled("iceberg", where, snapshot)
    if past is not None:
        snapshot = int(past.version)
        _require_same("iceberg", name, past, str(found.metadata.table_uuid))
    if snapshot is not None:
        chosen, asked = found.snapshot_by_id(snapshot), f"snapshot {snapshot}"
    elif as_of is not None:
        chosen = found.snapshot_as_of_timestamp(int(as_of.timestamp() * 1000))
        asked = f"snapshot at {as_of:%Y-%m-%d %H:%M:%S%z}"
    else:
        chosen, asked = found.current_snapshot(), "snapshot: nothing was ever written to it"
    if chosen is None:
        known = [str(one.snapshot_id) for one in found.snapshots()]
        raise NoSnapshot("iceberg", name, asked, ", ".join(known[-3:]) or "none")
    _record(
        "iceberg",
        where,
        str(chosen.snapshot_id),
        _moment(chosen.timestamp_ms),
        str(found.metadata.table_uuid),
    )
    import polars as pl

    return pl.scan_iceberg(found, snapshot_id=chosen.snapshot_id)


def _recalled(kind: Kind, name: str, version: int | None) -> DataSource | None:
    """What is to be read instead of the newest, or of what was the newest then."""
    inside = current()
    if inside is None or inside.recall is None:
        return None
    return inside.recall.of(kind, name, None if version is None else str(version))


def _require_same(kind: Kind, name: str, past: DataSource | None, table: str) -> None:
    if past is not None and past.table and past.table != table:
        raise OtherTable(kind, name, past.version)


def _delta_table(place: str, name: str, options: dict[str, str] | None) -> Any:
    """At its newest version."""
    deltalake, errors = _imported("delta", "deltalake"), import_module("deltalake.exceptions")
    try:
        return deltalake.DeltaTable(place, storage_options=options)
    except errors.TableNotFoundError:
        raise NoTable("delta", name) from None
    except (errors.DeltaError, OSError) as error:
        raise TableUnreadable("delta", name, _words(error)) from error


def _go_back(table: Any, name: str, to: int | datetime | None, last: int) -> None:
    """To a version or a time; a log that was cleaned up begins later than at version 0."""
    errors = import_module("deltalake.exceptions")
    try:
        table.load_as_version(to)
    except (errors.DeltaError, OSError) as error:
        raise NoSnapshot("delta", name, f"readable version {to}", f"up to {last}") from error


def _committed(newest: Any, version: int) -> datetime | None:
    """When; None where the log has been cleaned up since. To be asked of the newest version: a table that has gone back
    gives its whole history under the wrong numbers."""
    history = newest.history(int(newest.version()) - version + 1)
    return _moment(next((one["timestamp"] for one in history if one.get("version") == version), None))


def _iceberg_table(table: str, catalog: str, properties: dict[str, str]) -> Any:
    catalogs = _imported("iceberg", "pyiceberg.catalog")
    gone = import_module("pyiceberg.exceptions")
    try:
        return catalogs.load_catalog(catalog, **properties).load_table(table)
    except (gone.NoSuchTableError, gone.NoSuchNamespaceError, gone.NoSuchIcebergTableError):
        raise NoTable("iceberg", f"{catalog}.{table}") from None
    except (ValueError, OSError, gone.RESTError) as error:
        raise TableUnreadable("iceberg", f"{catalog}.{table}", _words(error)) from error


def _imported(kind: Kind, module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise NeedsTables(kind, module.partition(".")[0]) from error


def _require_one(kind: Kind, version: int | None, as_of: datetime | None) -> None:
    if version is not None and as_of is not None:
        raise SnapshotAsked(kind, "both a version and a time")
    if as_of is not None and as_of.tzinfo is None:
        raise SnapshotAsked(kind, "a time without a zone")


def _place(uri: str) -> tuple[str, str]:
    """Where the table is, and what the record calls it."""
    if "://" in uri:
        return uri, _bare(uri)
    inside = current()
    return str((inside.project if inside else Path.cwd()) / uri), Path(uri).as_posix()


def _bare(uri: str) -> str:
    """Without what may be credentials."""
    scheme, separator, rest = uri.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _words(error: Exception) -> str:
    """The first and the innermost sentence of what a library says."""
    lines = [COLOUR.sub("", line).strip(" ↳") for line in str(error).splitlines()]
    said = [line for line in lines if line]
    return ": ".join(dict.fromkeys([*said[:1], *said[-1:]]))[:LONGEST] or type(error).__name__


def _record(kind: Kind, name: str, version: str, at: datetime | None, table: str) -> None:
    inside = current()
    if inside is None:
        return
    with recorded(inside, f"noria.{kind}") as sources:
        sources.append(DataSource(kind=kind, name=name, version=version, at=at, table=table))
