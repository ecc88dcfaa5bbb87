"""How each server is asked: the path, the body of one row and of many, and the answers in its reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = [f"f{n}" for n in range(30)]
Row = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """One kind of server, or one protocol of it."""

    path: str
    body: Callable[[Sequence[Row]], Any]
    answers: Callable[[Any], list[float]]
    many: str = ""
    """The path for several rows, where it is another."""
    content: str = "application/json"

    def encoded(self, rows: Sequence[Row]) -> bytes:
        return json.dumps(self.body(rows)).encode()

    def read(self, reply: bytes) -> list[float]:
        return self.answers(json.loads(reply))


class Arrow(Way):
    """Record batches of Arrow both ways."""

    def encoded(self, rows: Sequence[Row]) -> bytes:
        import pyarrow as pa

        table, sink = pa.table(self.body(rows)), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return sink.getvalue().to_pybytes()

    def read(self, reply: bytes) -> list[float]:
        import pyarrow as pa

        with pa.ipc.open_stream(reply) as stream:
            return self.answers(stream.read_all())


def _values(row: Row) -> list[float]:
    return [row[name] for name in COLUMNS]


def _plain(rows: Sequence[Row]) -> Any:
    each = [{name: row[name] for name in COLUMNS} for row in rows]
    return each[0] if len(each) == 1 else {"rows": each}


def _tensor(rows: Sequence[Row]) -> Any:
    values = [value for row in rows for value in _values(row)]
    given = {"name": "rows", "shape": [len(rows), len(COLUMNS)], "datatype": "FP64", "data": values}
    return {"inputs": [given], "outputs": [{"name": "predict_proba"}]}


def _columns(rows: Sequence[Row]) -> Any:
    numbers = [
        {"name": name, "shape": [len(rows)], "datatype": "FP64", "data": [row[name] for row in rows]}
        for name in COLUMNS
    ]
    keys = {"name": "id", "shape": [len(rows)], "datatype": "BYTES", "data": [row["id"] for row in rows]}
    return {"inputs": [keys, *numbers]}


NORIA_ROWS = Way(
    path="/v1/models/tumours/predict",
    body=lambda rows: rows[0] if len(rows) == 1 else {"rows": list(rows)},
    answers=lambda reply: [one["answer"] for one in reply["predictions"]],
)
NORIA_COLUMNS = Way(
    path="/v2/models/tumours/infer",
    body=_columns,
    answers=lambda reply: next(one["data"] for one in reply["outputs"] if one["name"] == "answer"),
)
NORIA_ARROW = Arrow(
    path="/v1/models/tumours/predict",
    body=lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
    answers=lambda reply: reply.column("answer").to_pylist(),
    content="application/vnd.apache.arrow.stream",
)
BY_HAND = Way(path="/", body=_plain, answers=lambda reply: [reply["answer"]])
FASTAPI = Way(
    path="/predict",
    many="/rows",
    body=_plain,
    answers=lambda reply: reply.get("answers") or [reply["answer"]],
)
MLSERVER = Way(
    path="/v2/models/tumours/infer", body=_tensor, answers=lambda reply: reply["outputs"][0]["data"][1::2]
)
BENTOML = Way(path="/predict", body=lambda rows: {"rows": list(map(_values, rows))}, answers=list)
