"""What a service says of itself: health, metadata for machines, a summary for people."""

from __future__ import annotations

from typing import Any

import noria
from noria.graph.columns import CannotCarry, kind_of
from noria.graph.labels import label_kind
from noria.records.versions import RequestColumn, Version
from noria.serving.protocol import datatype, described
from noria.serving.served import Served

SERVER = "noria"
EXTENSIONS = ["binary_tensor_data", "model_repository"]
LEVELS = 20  # categories that a summary spells out


def server_metadata() -> dict[str, Any]:
    return {"name": SERVER, "version": noria.__version__, "extensions": EXTENSIONS}


def model_metadata(served: Served) -> dict[str, Any]:
    """As the inference protocol has it: a tensor a column."""
    version = served.version
    return {
        "name": version.model,
        "versions": [str(version.number)],
        "platform": SERVER,
        "inputs": described(version.signature.request),
        "outputs": described(version.signature.answer),
    }


def summary(served: Served, *, follows: str, problem: str) -> dict[str, Any]:
    """What a person needs to ask this model something, with a request to copy."""
    version, signature = served.version, served.version.signature
    path = f"/v1/models/{version.model}"
    return {
        "model": version.model,
        "version": version.number,
        "follows": follows,
        "problem": problem or None,
        "created": version.created,
        "trained_on_data_until": version.as_of,
        "run": f"{version.model}/{version.run}",
        "metrics": version.metrics,
        "request": [_column(column) for column in signature.request],
        "key": signature.key,
        "time": signature.time,
        "unit": signature.unit,
        "unknown": signature.unknown,
        "answer": [{"name": column.name, "type": column.type} for column in signature.answer],
        "example": {
            "method": "POST",
            "path": f"{path}/predict",
            "body": {"rows": [example(served)]},
        },
        "feedback": {
            "method": "POST",
            "path": f"{path}/feedback",
            "body": {"feedback": [{"id": "the id of an answer", "label": _label_example(version)}]},
            "label": _label(version),
        },
    }


def example(served: Served) -> dict[str, Any]:
    """A row that the model takes: of its training data, where that is at hand."""
    return dict(served.example or _made_up(served))


def example_tensors(served: Served) -> list[dict[str, Any]]:
    """The same row as tensors."""
    made = []
    for column in served.version.signature.request:
        value = example(served)[column.name]
        data = value if isinstance(value, list) else [value]
        shape = [1, len(data)] if isinstance(value, list) else [1]
        made.append({"name": column.name, "shape": shape, "datatype": datatype(column.type), "data": data})
    return made


def _column(column: RequestColumn) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "takes": kind_of(column.name, column.type).expected,
        "nulls_in_training": column.nulls,
    }
    if column.levels is not None:
        told["categories"] = len(column.levels)
        told["such_as"] = column.levels[:LEVELS]
    return told


def _label(version: Version) -> dict[str, Any] | None:
    """The label's column; None for a version without one."""
    return next(
        (
            {"name": column.name, "type": column.type, "takes": _label_takes(version)}
            for column in version.data.columns
            if column.name == version.label
        ),
        None,
    )


def _label_takes(version: Version) -> str | None:
    """What a label must be, in words; None where no feedback can carry it."""
    try:
        kind = label_kind(version)
    except CannotCarry:
        return None
    return kind.expected if kind else None


def _label_example(version: Version) -> Any:
    return _such_as(_label_takes(version) or "")


def _made_up(served: Served) -> dict[str, Any]:
    """A row of the right shape where no row of the training data is at hand."""
    return {column.name: _value(column) for column in served.version.signature.request}


def _value(column: RequestColumn) -> Any:
    if column.levels:
        return column.levels[0]
    return _such_as(kind_of(column.name, column.type).expected)


def _such_as(expected: str) -> Any:
    starts = {
        "a number": 0.0,
        "an integer": 0,
        "true": True,
        "a time": "2013-01-31T17:05:00Z",
        "a day": "2013-01-31",
    }
    return next((value for start, value in starts.items() if expected.startswith(start)), "...")
