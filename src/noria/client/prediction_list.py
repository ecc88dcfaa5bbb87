"""`noria.predictions("delay", since="1h")`: what a model answered, as a polars frame."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from noria.client.errors import BadTime
from noria.client.place import explained, place_of

if TYPE_CHECKING:
    import polars as pl

SPANS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def predictions(
    model: str | None = None,
    *,
    since: str | datetime | timedelta | None = None,
    until: str | datetime | timedelta | None = None,
    version: int | None = None,
    key: str | None = None,
    id: str | None = None,
    limit: int | None = None,
    project: str | Path | None = None,
) -> pl.DataFrame:
    """A row a prediction, the newest first: `id`, `at`, `time`, `version`, `key`, `unit`, `took`, `way`, `request.*`,
    `answer.*`, and the label that holds for it by now, `label` and `label_known`.

    `since` and `until` are times, or how long ago: `"1h"`, `timedelta(hours=1)`. `project` as in `noria.runs`. Raises
    `UnknownModel`, `UnknownVersion`, `UnknownPrediction`, `BadTime` for what is no time.
    """
    from noria.app import predictions as app_predictions

    with explained(), place_of(project).look() as app:
        now = app.clock.now()
        return app_predictions.predictions(
            app,
            model,
            since=_time(since, now),
            until=_time(until, now),
            version=version,
            key=key,
            id=id,
            limit=limit,
        )


def _time(given: str | datetime | timedelta | None, now: datetime) -> datetime | None:
    if isinstance(given, timedelta):
        return now - given
    if isinstance(given, str):
        return _from_text(given, now)
    return given if given is None or given.tzinfo else given.replace(tzinfo=UTC)


def _from_text(text: str, now: datetime) -> datetime:
    count, unit = text[:-1], text[-1:]
    if count.isdecimal() and unit in SPANS:
        return now - timedelta(seconds=int(count) * SPANS[unit])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadTime(given=text) from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
