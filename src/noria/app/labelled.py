"""Predictions joined with the labels that hold for them, in the types in which a loss takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noria.graph.labels import label_kind
from noria.ports.serving import ANSWER, ID, KEY
from noria.records.monitoring import NewFeedback
from noria.records.versions import Version

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.app.wiring import App


@dataclass(frozen=True)
class Labelled:
    """What can be scored of a block."""

    rows: pa.Table
    """The id and the label's column, under its own name and type."""
    answers: pa.Table
    """As predict gave them, row by row."""
    predictions: pa.Table
    """The log's rows, row by row beside them."""
    unreadable: int
    """Predictions whose label is no value of the label's column."""


def labelled(app: App, version: Version, predictions: pa.Table) -> Labelled:
    """The predictions of a version that have a label, by id or else by key. Raises `CannotCarry`."""
    import pyarrow as pa

    kind = label_kind(version)
    if version.label is None or kind is None:
        raise ValueError(f"{version.name} has no label")
    places, labels = _found(app, version.model, predictions)
    _, misfits = kind.read(labels)
    unread = {place for place, _ in misfits} | {place for place, label in enumerate(labels) if label is None}
    readable = [place for place in range(len(labels)) if place not in unread]
    array, _ = kind.read([labels[place] for place in readable])
    kept = predictions.take(pa.array([places[place] for place in readable], pa.int64()))
    names = [column.name for column in version.signature.answer]
    return Labelled(
        rows=pa.table({ID: kept.column(ID), version.label: array}),
        answers=kept.select([ANSWER + name for name in names]).rename_columns(names),
        predictions=kept,
        unreadable=len(unread),
    )


def _found(app: App, model: str, predictions: pa.Table) -> tuple[list[int], list[Any]]:
    """The rows that have a label, and the labels."""
    found = labels_of(app, model, predictions.column(ID).to_pylist(), predictions.column(KEY).to_pylist())
    places = [place for place, item in enumerate(found) if item is not None]
    return places, [item.label for item in found if item is not None]


def labels_of(
    app: App, model: str, ids: Sequence[str], keys: Sequence[str | None]
) -> list[NewFeedback | None]:
    """What holds for each prediction; a label for its id goes before one for its key."""
    by_id = app.records.feedback.current(model, "id", ids)
    by_key = app.records.feedback.current(model, "key", sorted({key for key in keys if key is not None}))
    return [by_id.get(id) or by_key.get(key or "") for id, key in zip(ids, keys, strict=True)]
