"""A large request is answered, logged and counted by column as it would be row by row."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from noria.adapters.log_reader import LogReader
from noria.adapters.log_writer import LogWriter
from noria.fast.compiled import Compiled
from noria.fast.compiling import compile_model
from noria.fast.direct import open_direct
from noria.fast.opened import open_model
from noria.ports.serving import Layout
from noria.records.artifacts import Column
from noria.records.fast import Plan
from noria.records.policy import LogPolicy
from noria.records.predictions import Hashing
from noria.records.versions import RequestColumn, Signature, Version
from noria.serving import column_way
from noria.serving.answers import Answers
from noria.serving.asked import Reader
from noria.serving.batching import Batcher
from noria.serving.bulk import VERSION
from noria.serving.by_model import ModelServed
from noria.serving.cause import OWN
from noria.serving.dispatch import Dispatch
from noria.serving.journal import Journal
from noria.serving.messages import ARROW, Response
from noria.serving.metrics import VersionMetrics
from noria.serving.outbox import Outbox
from noria.serving.quick import QuickReader
from noria.serving.quick_way import QuickWay
from noria.serving.raw import Raw
from noria.serving.rows import log_schema
from noria.serving.tally import Tally
from noria.serving.veil import Veil
from unit.fast.zoo import HISTOGRAM, WIDTH, with_gaps

NUMBERS = tuple(f"c{at}" for at in range(WIDTH))
SIGNATURE = Signature(
    request=(
        RequestColumn(name="ride", type="string"),
        *(RequestColumn(name=name, type="double", nulls=True) for name in NUMBERS),
        RequestColumn(name="zone", type="string", nulls=True, levels=("north", "south")),
        RequestColumn(name="asked", type="timestamp[us, tz=UTC]", nulls=True),
    ),
    key=("ride",),
    answer=(Column(name="answer", type="double"),),
)
ROWS = 100
PLAIN = LogPolicy()
LEFT_OUT = ("id", "at", "time", "took")  # of the log: they say when and where


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    made = compile_model(HistGradientBoostingClassifier(**HISTOGRAM).fit(*with_gaps()))
    assert isinstance(made, Compiled)
    return made


def rows() -> list[dict[str, Any]]:
    matrix = with_gaps()[0][:ROWS]
    return [
        {name: None if np.isnan(value) else value for name, value in zip(NUMBERS, row, strict=True)}
        | {"ride": f"r{at}", "zone": ["north", "west", None][at % 3], "asked": "2024-03-02T08:30:00Z"}
        for at, row in enumerate(matrix.tolist())
    ]


def as_rows() -> bytes:
    return json.dumps({"rows": rows()}).encode()


def as_tensors() -> bytes:
    made, kinds = rows(), {"ride": "BYTES", "zone": "BYTES"}
    tensors = [
        {
            "name": name,
            "shape": [ROWS],
            "datatype": kinds.get(name, "FP64"),
            "data": [row[name] for row in made],
        }
        for name in ("zone", *NUMBERS, "ride")
    ]
    return json.dumps({"id": "a", "inputs": tensors}).encode()


class World:
    """One version, that answers large requests by column or row by row."""

    def __init__(
        self,
        folder: Path,
        compiled: Compiled,
        *,
        by_column: bool,
        signature: Signature = SIGNATURE,
        policy: LogPolicy = PLAIN,
    ) -> None:
        self._folder, self._by_column, self._signature, self._policy = folder, by_column, signature, policy
        version = cast("Version", SimpleNamespace(signature=signature, model="m", number=1, name="m:1"))
        self.calls = 0
        plan = Plan(table="rows", estimator="model", columns=NUMBERS, method="predict_proba", column=1)
        names = [column.name for column in signature.request]
        self.served = ModelServed(
            version=version,
            reader=Reader(signature, model="m", max_rows=1000),
            answers=Answers(signature, version="m:1"),
            quick=QuickReader(signature, max_rows=1000),
            by=open_direct(plan, open_model(compiled), names),
        )
        self.metrics = VersionMetrics(Tally(), model="m", version=1)

    def asked(self, *bodies: bytes) -> list[dict[str, Any]]:
        """The replies to requests, one after the other."""
        return asyncio.run(self._asked(bodies))

    async def _asked(self, bodies: tuple[bytes, ...]) -> list[dict[str, Any]]:
        loop, log = asyncio.get_running_loop(), LogWriter(self._folder, "m")
        hashed, metrics = frozenset(self._policy.hash), self.metrics
        schema = log_schema(self._signature, hashed)
        hashing = Hashing(hashed, bytes(32)) if hashed else None
        journal = Journal(
            self.served.version,
            Layout(1, len(self._signature.request), schema),
            Outbox(log, "async", loop, metrics.ended),
            metrics,
            lambda event, **facts: None,
            veil=None if self._policy.plain else Veil(self._signature, self._policy, hashing),
            sample=self._policy.sample,
            by_column=self._by_column,
        )
        batcher = Batcher(self.served.answer_rows, loop)
        dispatch = cast("Dispatch", SimpleNamespace(paths=None))
        assert self.served.quick is not None
        way = QuickWay(self.served, self.served.quick, journal, batcher, dispatch, deadline=10.0, loop=loop)
        replies = []
        for body in bodies:
            sent: asyncio.Future[Any] = loop.create_future()
            take, table = way.tensors if b'"inputs"' in body else way.rows, body[:1] != b"{"
            assert take(
                Raw(b"POST", b"/", [], body, keep=True, table=table),
                sent.set_result,
                OWN,
            )
            reply = await sent
            replies.append(told_by_a_table(reply) if table else json.loads(getattr(reply, "body", reply)))
        batcher.close()
        log.close()
        return replies

    def logged(self) -> pa.Table:
        tables = LogReader(self._folder).read("m", {}).tables
        return pa.concat_tables(tables).drop_columns(list(LEFT_OUT))

    def counted(self) -> dict[Any, float]:
        """All that says no time."""
        found = {}
        for place, at in self.metrics.tally._known.items():
            if "seconds" not in str(place) and "batch" not in str(place):
                found[place] = self.metrics.tally.values[at]
        return found


def told_by_a_table(reply: Response) -> dict[str, Any]:
    """A response in Arrow, as the same in JSON would be."""
    assert reply.content_type == ARROW and reply.headers == {VERSION: "m:1"}
    with pa.ipc.open_stream(reply.body) as stream:
        made = stream.read_all()
    assert made.schema.metadata == {b"noria.version": b"m:1"}
    return {"model": "m", "version": 1, "predictions": made.to_pylist()}


def without_ids(reply: dict[str, Any]) -> dict[str, Any]:
    for one in reply.get("predictions", ()):
        assert one.pop("id")
    if "parameters" in reply:
        assert len(reply["parameters"].pop("prediction_ids").split(",")) == ROWS
    return reply


TENSORS = Signature(request=SIGNATURE.request[:-1], key=SIGNATURE.key, answer=SIGNATURE.answer)


@pytest.mark.parametrize(
    "policy",
    [PLAIN, LogPolicy(redact=("c1", "zone"), hash=("ride", "c2")), LogPolicy(sample=0.5)],
    ids=["all", "hidden", "sampled"],
)
@pytest.mark.parametrize(
    ("body", "signature"), [(as_rows, SIGNATURE), (as_tensors, TENSORS)], ids=["rows", "tensors"]
)
def test_by_column_as_row_by_row(
    tmp_path: Path, compiled: Compiled, body: Callable[[], bytes], signature: Signature, policy: LogPolicy
) -> None:
    worlds = [
        World(tmp_path / str(way), compiled, by_column=way, signature=signature, policy=policy)
        for way in (True, False)
    ]
    replies = [[without_ids(each) for each in world.asked(body(), body(), body())] for world in worlds]
    assert replies[0] == replies[1]
    ours, theirs = (world.logged() for world in worlds)
    if policy.sample == 1.0:
        assert ours.num_rows == 3 * ROWS and ours.equals(theirs)
        assert worlds[0].counted() == worlds[1].counted()
        return
    assert 0 < ours.num_rows < 3 * ROWS  # another half than theirs: each by its own ids
    whole = World(tmp_path / "whole", compiled, by_column=False, signature=signature)
    whole.asked(body())
    known = [tuple(row.items()) for row in whole.logged().to_pylist()]
    assert ours.schema == theirs.schema
    assert {tuple(row.items()) for row in ours.to_pylist()} <= set(known)


def test_a_table_is_answered_and_logged_as_the_same_rows_in_json(tmp_path: Path, compiled: Compiled) -> None:
    whole = [
        {
            name: 0.5 if name in NUMBERS and value is None else value
            for name, value in row.items()
            if name != "asked"
        }
        for row in rows()
    ]
    table, sink = pa.Table.from_pylist(whole), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    bodies = sink.getvalue().to_pybytes(), json.dumps({"rows": whole}).encode()
    ours, theirs = (
        World(tmp_path / kind, compiled, by_column=True, signature=TENSORS) for kind in ("table", "rows")
    )
    assert [without_ids(each) for each in ours.asked(bodies[0], bodies[0])] == [
        without_ids(each) for each in theirs.asked(bodies[1], bodies[1])
    ]
    assert ours.logged().num_rows == 2 * ROWS and ours.logged().equals(theirs.logged())
    assert ours.counted() == theirs.counted()


def test_the_loop_answers_once_the_model_is_known_to_be_quick(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    world = World(tmp_path, compiled, by_column=True)
    by_columns = ModelServed.by_columns

    def watched(self: ModelServed, read: Any) -> Any:
        seen.append(threading.current_thread().name)
        return by_columns(self, read)

    monkeypatch.setattr(ModelServed, "by_columns", watched)
    monkeypatch.setattr(column_way, "BRIEF", 60.0)
    world.asked(as_rows(), as_rows())
    assert seen == ["answers", threading.main_thread().name]
    seen.clear()
    monkeypatch.setattr(column_way, "BRIEF", 0.0)
    world.asked(as_rows(), as_rows())
    assert seen == ["answers", "answers"]


def test_who_would_end_the_process_from_the_loop_is_told_that_it_failed(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, compiled, by_column=True)
    by_columns, asked = ModelServed.by_columns, list[str]()

    def ends(self: ModelServed, read: Any) -> Any:
        asked.append(threading.current_thread().name)
        if len(asked) > 1:
            raise SystemExit
        return by_columns(self, read)

    monkeypatch.setattr(ModelServed, "by_columns", ends)
    monkeypatch.setattr(column_way, "BRIEF", 60.0)
    answered, failed = world.asked(as_rows(), as_rows())
    assert len(answered["predictions"]) == ROWS and failed["code"] == "GRAPH-FAILED"
    assert asked == ["answers", threading.main_thread().name]
