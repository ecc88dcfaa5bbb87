"""Batches as the records have them, and their rows as their parts have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from noria.app.batch.errors import ManifestChanged, PartsGone, UnknownBatch
from noria.app.batch.output import MANIFEST
from noria.app.labelled import labels_of
from noria.app.predictions import KNOWN, LABEL
from noria.app.promote import find_version
from noria.app.unified import values_as_column
from noria.records.base import digest_bytes, parse
from noria.records.batches import PREFIX, Batch, Manifest
from noria.records.events import BatchAnswered
from noria.records.predictions import key_text

if TYPE_CHECKING:
    import polars as pl

    from noria.app.wiring import App
    from noria.records.versions import Version


def is_batch(id: str) -> bool:
    """Whether an id is that of a batch, and not of one answer."""
    return id.startswith(PREFIX)


def batches(app: App, model: str) -> Iterator[Batch]:
    """Those of a model, the oldest first."""
    for _, change in app.records.ledger.events(model, kinds=["batch.answered"]):
        if isinstance(change, BatchAnswered):
            yield change.batch


def find_batch(app: App, id: str, model: str | None = None) -> Batch:
    """Raises `UnknownBatch`."""
    for name in [model] if model else app.records.versions.models():
        for batch in batches(app, name):
            if batch.id == id:
                return batch
    raise UnknownBatch(id=id)


def manifest_of(app: App, batch: Batch) -> Manifest:
    """What lies beside its parts, which is what the records say it is. Raises `PartsGone`, `ManifestChanged`."""
    body = app.place(batch.output).read(MANIFEST)
    if body is None:
        raise PartsGone(batch=batch.id, output=batch.output, missing=MANIFEST)
    if digest_bytes(body) != batch.manifest:
        raise ManifestChanged(manifest=f"{batch.output}/{MANIFEST}", batch=batch.id)
    return parse(body, Manifest)


def batch_rows(app: App, id: str, model: str | None = None, *, limit: int | None = None) -> pl.DataFrame:
    """The first rows of a batch as its parts have them, each with the label that its key has by now: `label`,
    `label_known`. Raises `UnknownBatch`, `PartsGone`, `ManifestChanged`."""
    import polars as pl

    batch = find_batch(app, id, model)
    version = find_version(app, f"{batch.model}:{batch.version}")
    frame = _rows(app, batch, limit)
    keys = _keys(frame, version)
    found = labels_of(app, batch.model, [""] * frame.height, keys) if frame.height else []
    return frame.with_columns(
        values_as_column(LABEL, [one and one.label for one in found]),
        pl.Series(KNOWN, [one and one.known for one in found], pl.Datetime("us", "UTC")),
    )


def _rows(app: App, batch: Batch, limit: int | None) -> pl.DataFrame:
    import polars as pl
    import pyarrow.parquet as pq

    manifest, place = manifest_of(app, batch), app.place(batch.output)
    frames: list[Any] = []
    left = batch.rows if limit is None else limit
    for part in manifest.parts:
        if left <= 0 and frames:
            break
        found = place.files(part.part)
        if not found:
            raise PartsGone(batch=batch.id, output=batch.output, missing=part.part)
        with place.open(part.part, found[0].size, found[0].tag) as file:
            frames.append(pl.DataFrame(pq.read_table(file)).head(left))
        left -= part.rows
    whole: pl.DataFrame = pl.concat(frames, how="vertical_relaxed")
    return whole


def _keys(frame: pl.DataFrame, version: Version) -> list[str | None]:
    key = version.signature.key
    if not key:
        return [None] * frame.height
    return [None if None in row else key_text(row) for row in frame.select(key).iter_rows()]
