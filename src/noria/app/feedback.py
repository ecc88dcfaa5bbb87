"""Labels that arrived, one by one or as a file, checked against what was asked and stored once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from noria.app.errors import UnknownVersion
from noria.errors import UsageError
from noria.graph.columns import kind_of
from noria.graph.labels import KNOWN, Unfit, read_key, read_label, read_one
from noria.ports.serving import NOTHING_STORED, UnknownPrediction
from noria.records.base import Json, Record
from noria.records.monitoring import NewFeedback
from noria.records.versions import Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    import polars as pl

    from noria.app.wiring import App

BATCH = 50_000  # labels in one transaction: about a second's hold on the store


T = TypeVar("T")


@dataclass(eq=False)
class BadFeedback(UsageError):
    code: ClassVar[str] = "FEEDBACK"
    what: ClassVar[str] = "{where}: {problem}; nothing was stored"
    next: ClassVar[str] = "{fix}"
    where: str
    problem: str
    fix: str


class Given(Record, kw_only=True):
    """What became of some labels."""

    stored: int = 0
    repeated: int = 0
    """Equal to what was stored before."""
    corrected: int = 0


def give(
    app: App,
    model: str,
    label: str,
    *,
    id: str | None = None,
    key: str | None = None,
    known: datetime | None = None,
    correction: bool = False,
) -> Given:
    """Store one label, written as text, for a prediction's id or a row's key (several columns: a JSON array).

    Raises `UnknownPrediction`, `BadFeedback`, and `Conflict` for a label that contradicts the stored one.
    """
    version = _version(app, model)
    item = NewFeedback(
        by="id" if id is not None else "key",
        ref=id if id is not None else _key_from_text(app, version, key or ""),
        label=_label(version, label, "the label"),
        known=known or app.clock.now(),
        correction=correction,
    )
    return store(app, version.model, [item])


def give_file(app: App, model: str, path: Path, *, correction: bool = False) -> Given:
    """Store the labels of a .csv, .ndjson or .parquet file: column `label`, and `id` or the model's key columns;
    `known` (when the label became known) and `correction` may stand beside them.

    The whole file is checked before anything is stored; giving it again changes nothing. Raises as `give` does.
    """
    version = _version(app, model)
    frame = _read(path)
    items = list(_items(app, frame, version, path.name, known=app.clock.now(), correction=correction))
    return store(app, version.model, items)


def store(app: App, model: str, items: Sequence[NewFeedback]) -> Given:
    """Store labels in transactions of a bounded size, once every id among them is known to have been given out."""
    ids = [item.ref for item in items if item.by == "id"]
    missing = sorted(set(ids) - app.predictions.known(model, ids)) if ids else []
    if missing:
        raise UnknownPrediction(model=model, ids=missing, so=NOTHING_STORED)
    counted: Counter[str] = Counter()
    for start in range(0, len(items), BATCH):
        counted.update(app.records.feedback.add(model, items[start : start + BATCH], at=app.clock.now()))
    return Given(**{what: counted[what] for what in Given.__struct_fields__})


def key_from_text(app: App, model: str, text: str) -> str:
    """A key that a person wrote, as the prediction log has it. Raises `BadFeedback`."""
    return _key_from_text(app, _version(app, model), text)


def _version(app: App, model: str) -> Version:
    """The version whose key and label the feedback means: the champion, else the newest."""
    name = app.model(model).name
    versions = app.records.versions.versions(name)
    champion = app.records.versions.aliases(name).get(CHAMPION)
    found = next((one for one in versions if one.number == champion), versions[0] if versions else None)
    if found is None:
        raise UnknownVersion(name=name, known=["none: noria run"])
    return found


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    readers: dict[str, Callable[[], pl.DataFrame]] = {
        ".csv": lambda: pl.read_csv(path, infer_schema=False),  # "007" is a key, and no number
        ".ndjson": lambda: pl.read_ndjson(path, infer_schema_length=None),
        ".jsonl": lambda: pl.read_ndjson(path, infer_schema_length=None),
        ".parquet": lambda: pl.read_parquet(path),
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise BadFeedback(
            where=path.name, problem="is of an unknown kind", fix=f"give one of: {', '.join(readers)}"
        )
    try:
        return reader()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadFeedback(
            where=str(path),
            problem=f"cannot be read: {str(error).splitlines()[0]}",
            fix="mend the file, or its path",
        ) from error


def _items(
    app: App, frame: pl.DataFrame, version: Version, name: str, *, known: datetime, correction: bool
) -> Iterator[NewFeedback]:
    key = version.signature.key
    by_id = "id" in frame.columns and "id" not in key
    needed = ["label", *(["id"] if by_id else key or ["id"])]
    lacking = [column for column in needed if column not in frame.columns]
    if lacking:
        raise BadFeedback(
            where=name,
            problem=f"has no column {', '.join(lacking)}; it has {', '.join(frame.columns)}",
            fix=f"give `label` and {' or '.join(filter(None, ['`id`', ', '.join(f'`{part}`' for part in key)]))}",
        )
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        where = f"{name}, row {number}"
        yield NewFeedback(
            by="id" if by_id else "key",
            ref=str(row["id"]) if by_id else _key_text(app, version, [row[part] for part in key], where),
            label=_label(version, row["label"], where),
            known=_known(row.get("known"), where) or known,
            correction=_flag(row.get("correction"), where) or correction,
        )


def _key_from_text(app: App, version: Version, text: str) -> str:
    key = version.signature.key
    if len(key) < 2:
        return _key_text(app, version, [text], "--key")
    try:
        values: object = json.loads(text)
    except json.JSONDecodeError:
        values = None
    if not isinstance(values, list) or len(values) != len(key):
        raise BadFeedback(
            where="--key",
            problem=f"{text!r} is no JSON array of {len(key)} values",
            fix=f"write it as {_pattern(key)}",
        )
    return _key_text(app, version, values, "--key")


def _pattern(key: Iterable[str]) -> str:
    return "'[" + ", ".join(f'"{part}"' for part in key) + "]'"


def _key_text(app: App, version: Version, values: Sequence[object], where: str) -> str:
    """The key as the prediction log writes it, each value in its column's type."""
    if not version.signature.key:
        raise BadFeedback(
            where=where,
            problem=f"{version.model} has no key",
            fix="give the `id` of the answer, or @data(key=...)",
        )
    return _fitting(where, lambda: read_key(version, values, written=True, hashing=app.hashing))


def _label(version: Version, value: object, where: str) -> Json:
    if value is None or value == "":
        raise BadFeedback(
            where=where, problem="the label is empty", fix="leave the row out until its label is known"
        )
    return _fitting(where, lambda: read_label(version, value, written=True))


def _known(value: object, where: str) -> datetime | None:
    moment = _cell("known", KNOWN, value, f"{where}, known")
    return moment if isinstance(moment, datetime) else None


def _flag(value: object, where: str) -> bool:
    return _cell("correction", "bool", value, f"{where}, correction") is True


def _cell(column: str, kind: str, value: object, where: str) -> object:
    """A cell that may be empty, which is None."""
    if value is None or value == "":
        return None
    wanted = kind_of(column, kind)
    return _fitting(where, lambda: read_one(wanted, value, wanted.expected, written=True))


def _fitting(where: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except Unfit as unfit:
        raise BadFeedback(
            where=where, problem=str(unfit), fix="write it as the training data has it"
        ) from unfit
