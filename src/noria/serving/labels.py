"""Labels that arrive after their answers: checked as a whole, stored as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from noria.errors import Conflict
from noria.graph.columns import kind_of, shown
from noria.graph.labels import KNOWN, Unfit, read_key, read_label, read_one
from noria.ports.clock import Clock
from noria.ports.records import FeedbackRecords
from noria.ports.serving import NOTHING_STORED, Predictions, UnknownPrediction
from noria.records.base import Json
from noria.records.monitoring import NewFeedback
from noria.records.predictions import Hashing
from noria.records.versions import Version
from noria.serving.asked import Faults
from noria.serving.errors import BadRows, BadShape, TooManyRows
from noria.serving.messages import Request, Response, parsed, reply
from noria.serving.metrics import Metrics

MANY = "feedback"  # the member that holds several labels; an object without it is one itself
MEMBERS = ("id", "key", "label", "known", "correction")


class Labels:
    """Takes feedback for one model. For one thread at a time."""

    def __init__(
        self,
        version: Callable[[], Version],
        *,
        model: str,
        records: FeedbackRecords,
        predictions: Predictions,
        metrics: Metrics,
        clock: Clock,
        max_items: int,
        hashing: Hashing | None = None,
    ) -> None:
        self._version = version
        self._model = model
        self._records = records
        self._predictions = predictions
        self._metrics = metrics
        self._clock = clock
        self._max_items = max_items
        self._hashing = hashing

    def take(self, request: Request) -> Response:
        """All labels of a request are stored, or none: then the answer says which of them is at fault.

        A label is held to the label's type in the data of the version that answers now.
        """
        given = self._items(parsed(request))
        now = self._clock.now()
        faults = Faults()
        items = [self._item(position, item, now, faults) for position, item in enumerate(given)]
        try:
            faults.check(self._model)
            self._check_ids([item.ref for item in items if item is not None and item.by == "id"])
            statuses = self._records.add(self._model, [item for item in items if item is not None], at=now)
        except (BadRows, UnknownPrediction, Conflict) as error:
            self._metrics.feedback("conflict" if isinstance(error, Conflict) else "refused", len(given))
            raise
        for status in statuses:
            self._metrics.feedback(status)
        told = [{**_named(item), "status": status} for item, status in zip(given, statuses, strict=True)]
        return reply({"model": self._model, "feedback": told})

    def _items(self, body: Mapping[str, Any]) -> list[Any]:
        items = body.get(MANY, [dict(body)])
        if not isinstance(items, list) or not items:
            raise BadShape(
                problem=f"`feedback` is {shown(items)}, not an array of labels",
                fix='send {"feedback": [{"id": "...", "label": 1}, ...]}',
            )
        if len(items) > self._max_items:
            raise TooManyRows(rows=len(items), limit=self._max_items)
        return items

    def _item(self, position: int, item: object, now: datetime, faults: Faults) -> NewFeedback | None:
        if not isinstance(item, dict):
            faults.add(position, None, shown(item), "an object with `id` or `key`, and `label`")
            return None
        before = faults.count
        for name in [each for each in item if each not in MEMBERS]:
            faults.add(position, name, shown(item[name]), f"one of {', '.join(MEMBERS)}")
        label = self._label(position, item, faults)
        if type(item.get("correction", False)) is not bool:
            faults.add(position, "correction", shown(item["correction"]), "true or false")
        ref = self._reference(position, item, faults)
        known = self._known(position, item, now, faults)
        if faults.count > before or ref is None:
            return None
        return NewFeedback(
            by="id" if "id" in item else "key",
            ref=ref,
            label=label,
            known=known,
            correction=item.get("correction", False),
        )

    def _reference(self, position: int, item: Mapping[str, Any], faults: Faults) -> str | None:
        if ("id" in item) == ("key" in item):
            faults.add(
                position,
                None,
                "both `id` and `key`" if "id" in item else "neither `id` nor `key`",
                "one of them",
            )
            return None
        if "key" in item:
            return self._key(position, item["key"], faults)
        if not isinstance(item["id"], str):
            faults.add(position, "id", shown(item["id"]), "the id that came with an answer")
            return None
        return str(item["id"])

    def _key(self, position: int, given: object, faults: Faults) -> str | None:
        """The key as the prediction log writes it, whatever form of it came."""
        names = self._version().signature.key
        expected = f"the key: {', '.join(names)}" if names else "an `id`: this model has no key"
        parts = given if isinstance(given, list) else [given]
        if isinstance(given, dict):
            parts = [given[name] for name in names] if given.keys() == set(names) else []
        if not names or len(parts) != len(names):
            faults.add(position, "key", shown(given), expected)
            return None
        try:
            return read_key(self._version(), parts, hashing=self._hashing)
        except Unfit as unfit:
            faults.add(position, "key", unfit.given, unfit.expected)
            return None

    def _label(self, position: int, item: Mapping[str, Any], faults: Faults) -> Json:
        """The label as the version's data have it; null once its fault is noted."""
        if "label" not in item:
            faults.add(position, "label", "nothing", "the label, once it is known")
            return None
        try:
            return read_label(self._version(), item["label"])
        except Unfit as unfit:
            faults.add(position, "label", unfit.given, unfit.expected)
            return None

    def _known(self, position: int, item: Mapping[str, Any], now: datetime, faults: Faults) -> datetime:
        if item.get("known") is None:
            return now
        kind = kind_of("known", KNOWN)
        try:
            moment: datetime = read_one(kind, item["known"], kind.expected, written=False)
        except Unfit as unfit:
            faults.add(position, "known", unfit.given, unfit.expected)
            return now
        return moment

    def _check_ids(self, ids: list[str]) -> None:
        """Raises `UnknownPrediction` for those that no answer had."""
        known = self._predictions.known(self._model, ids)
        if strange := [shown(id).strip('"') for id in ids if id not in known]:
            raise UnknownPrediction(model=self._model, ids=strange, so=NOTHING_STORED)


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("id", "key") if name in item}
