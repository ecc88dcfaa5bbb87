"""The way back, tried: the predecessor in a service of its own, in its own environment, beside the one that runs.

It answers rows that it has answered before, and must answer them as then, but for the rounding of sums: rows that came one by
one are asked together. Nothing of it is logged, and nobody else asks it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import msgspec

from noria.app.gone import require_whole
from noria.app.serve import serving
from noria.errors import NoriaError
from noria.pipeline.alone import same_value, tolerance_of
from noria.ports.serving import ANSWER, REQUEST
from noria.records.policy import LogPolicy, ServicePolicy
from noria.records.rollouts import Rehearsal
from noria.records.versions import Version
from noria.serving.sample import as_requests

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.app.wiring import App

ROWS = 32  # answers that are compared: enough that no column of the request is the same in all of them
PATIENCE = 60.0  # s for them; the service has answered rows of its training data by then


def rehearse(app: App, version: Version) -> Rehearsal:
    """Try whether a version can be gone back to. What keeps it from that is in the answer, not raised."""
    began = time.monotonic()
    try:
        require_whole(app, version)
        rows = logged_rows(app, version)
        same = _answers_as_before(app, version, rows)
    except (NoriaError, OSError) as error:
        whole = getattr(error, "code", "") != "VERSION-GONE"
        return Rehearsal(
            version=version.number, whole=whole, problem=str(error), seconds=time.monotonic() - began
        )
    count = 0 if rows is None else rows.num_rows
    return Rehearsal(
        version=version.number, whole=True, rows=count, same=same, seconds=time.monotonic() - began
    )


def logged_rows(app: App, version: Version) -> pa.Table | None:
    """The newest rows that it answered, as champion or before it was that, with its answers; None where the log has none as
    they were asked."""
    import pyarrow as pa

    if app.policy.service.log.redact or app.policy.service.log.hash:
        return None
    for piece in app.predictions.pieces(version.model, version=version.number):
        newest = None
        for table in piece.tables(None):
            newest = table.slice(max(0, table.num_rows - ROWS)) if table.num_rows else newest
        if newest is not None:
            return pa.table(newest)
    return None


def _answers_as_before(app: App, version: Version, rows: pa.Table | None) -> bool | None:
    """None where there is nothing to compare with; the service has come up then, which tries rows of the training data."""
    with TemporaryFile() as log, serving(_alone(app), version.name, port=0, log=log) as service:
        if rows is None:
            return None
        given = _asked(f"{service.url}/v1/models/{version.model}/predict", _requests(rows))
    return same_answers(rows, given, [column.name for column in version.signature.answer])


def same_answers(rows: pa.Table, given: Sequence[Mapping[str, Any]], names: Sequence[str]) -> bool:
    """Whether the answers that logged rows have in their columns `names` are `given` again."""
    logged = [rows.column(ANSWER + name) for name in names]
    near = [tolerance_of(column.type) for column in logged]
    before = [_plain(one) for one in zip(*(column.to_pylist() for column in logged), strict=True)]
    after = [_values(one["answer"], names) for one in given]
    return len(before) == len(after) and all(
        same_value(*each)
        for one, other in zip(before, after, strict=True)
        for each in zip(one, other, near, strict=True)
    )


def _alone(app: App) -> App:
    """The project, with a service that is nobody else's."""
    service: ServicePolicy = msgspec.structs.replace(
        app.policy.service,
        host="127.0.0.1",
        workers=1,
        spare=False,
        durability="off",
        grpc_port=None,
        auth="off",
        tls=None,
        traces="",
        log=LogPolicy(),
    )
    return replace(app, policy=msgspec.structs.replace(app.policy, service=service))


def _requests(rows: pa.Table) -> list[dict[str, Any]]:
    names = [name for name in rows.column_names if name.startswith(REQUEST)]
    asked = rows.select(names).rename_columns([name.removeprefix(REQUEST) for name in names])
    return [dict(one) for one in as_requests(asked)]


def _asked(url: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import urllib.request

    body = msgspec.json.encode({"rows": rows})
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        found: list[dict[str, Any]] = msgspec.json.decode(answer.read())["predictions"]
    return found


def _values(answer: Any, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(answer[name] for name in names) if isinstance(answer, dict) else (answer,)


def _plain(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """As JSON has them."""
    return tuple(msgspec.json.decode(msgspec.json.encode(value)) for value in values)
