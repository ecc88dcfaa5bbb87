"""What a log may not have never reaches it, by either way of reading a request; keys and units still join."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from noria.records.artifacts import Column
from noria.records.policy import LogPolicy
from noria.records.predictions import Hashing, is_kept, key_text, prediction_ids
from noria.records.versions import RequestColumn, Signature
from noria.serving.asked import Reader, keys, units
from noria.serving.quick import QuickReader
from noria.serving.rows import places
from noria.serving.veil import Veil, VeiledRole, check_roles

COLUMNS = {
    "ride": "string",
    "asked": "timestamp[us, tz=UTC]",
    "driver": "int64",
    "day": "date32[day]",
    "km": "double",
    "pooled": "bool",
    "small": "float",
}
ROW = {
    "ride": "r1",
    "asked": "2024-03-02T08:30:00Z",
    "driver": 7,
    "day": "2024-03-02",
    "km": 3.7,
    "pooled": True,
    "small": 0.1,
}
SECRET = bytes(range(32))


def signature(key: tuple[str, ...] = ("ride",), unit: str | None = "driver") -> Signature:
    return Signature(
        request=tuple(RequestColumn(name=name, type=kind, nulls=True) for name, kind in COLUMNS.items()),
        key=key,
        time="asked",
        unit=unit,
        answer=(Column(name="answer", type="double"),),
    )


def veil(of: Signature, *, redact: tuple[str, ...] = (), hash: tuple[str, ...] = ()) -> Veil:
    return Veil(of, LogPolicy(redact=redact, hash=hash), Hashing(frozenset(hash), SECRET) if hash else None)


def both_ways(of: Signature, hidden: Veil, row: dict[str, Any]) -> list[dict[str, Any]]:
    """A row as the log has it with Arrow and without."""
    quick = QuickReader(of, max_rows=10).read(json.dumps(row).encode())
    assert quick is not None
    shown = hidden.row()(quick.rows[0])
    place = places(of, hidden.hashed)(shown, 5)
    typed = hidden.batch(Reader(of, model="m", max_rows=10).rows([row]).rows)
    mine = keys(of, typed)
    careful = {name: typed.column(name).to_pylist()[0] for name in typed.schema.names}
    plain = dict(zip(COLUMNS, shown, strict=True))
    for name in set(COLUMNS) - {*hidden.policy.redact} - hidden.hashed:
        plain[name] = careful[name]  # ticks and times: `test_quick_rows` holds them to one another
    return [
        {**plain, "key": place[0], "unit": place[1]},
        {**careful, "key": mine[0] if mine else None, "unit": units(of, typed, mine)[0]},
    ]


@pytest.mark.parametrize("column", [name for name in COLUMNS if name not in ("ride", "driver", "asked")])
def test_a_redacted_column_is_null_and_the_others_stay(column: str) -> None:
    one, other = both_ways(signature(), veil(signature(), redact=(column,)), ROW)
    assert one == other
    assert one[column] is None
    assert one["ride"] == "r1" and one["unit"] == "7"


@pytest.mark.parametrize("column", [name for name in COLUMNS if name != "asked"])
def test_a_hashed_column_is_the_same_text_by_either_way(column: str) -> None:
    one, other = both_ways(signature(), veil(signature(), hash=(column,)), ROW)
    assert one == other
    assert len(one[column]) == 32 and set(one[column]) <= set("0123456789abcdef")


def test_a_key_and_a_unit_that_are_hashed_still_join() -> None:
    of = signature(key=("ride", "driver"))
    hidden = veil(of, hash=("ride", "driver"))
    one, other = both_ways(of, hidden, ROW)
    assert one == other
    assert one["key"] == key_text([one["ride"], one["driver"]])
    assert one["unit"] == one["driver"]
    half = veil(of, hash=("driver",))
    assert both_ways(of, half, ROW)[0]["key"] == key_text(["r1", one["driver"]])


def test_a_null_stays_null() -> None:
    one, other = both_ways(signature(), veil(signature(), hash=("km",)), ROW | {"km": None})
    assert one == other and one["km"] is None


def test_another_secret_is_another_hash() -> None:
    two = [Hashing(frozenset({"a"}), secret).of("a", "x") for secret in (SECRET, bytes(32))]
    assert two[0] != two[1]
    assert Hashing(frozenset({"a"}), SECRET).of("b", "x") == "x"
    assert Hashing(frozenset({"a"}), SECRET).text(float("nan")) != Hashing(frozenset(), SECRET).text(1.0)


@pytest.mark.parametrize(
    ("policy", "role"),
    [
        (LogPolicy(redact=("ride",)), "key"),
        (LogPolicy(redact=("driver",)), "unit"),
        (LogPolicy(redact=("asked",)), "time"),
        (LogPolicy(hash=("asked",)), "time"),
    ],
)
def test_what_the_log_is_for_cannot_be_hidden(policy: LogPolicy, role: str) -> None:
    with pytest.raises(VeiledRole, match=f"the {role} of m:1"):
        check_roles(signature(), policy, version="m:1")


def test_key_and_unit_may_be_hashed() -> None:
    check_roles(signature(), LogPolicy(hash=("ride", "driver"), redact=("km",)), version="m:1")


def test_a_sample_is_decided_by_the_id_alone_and_grows_with_its_share() -> None:
    ids = list(prediction_ids("0123456789abc", 0, 20_000))
    tenth = {id for id in ids if is_kept(id, 0.1)}
    fifth = {id for id in ids if is_kept(id, 0.2)}
    assert tenth < fifth
    assert 1_800 < len(tenth) < 2_200  # 2,000 expected, 42 is one standard deviation: never outside of five
    assert all(is_kept(id, 1.0) for id in ids[:100])


def test_the_type_of_a_hashed_column_is_text() -> None:
    from noria.serving.rows import log_schema

    schema = pa.ipc.read_schema(pa.py_buffer(log_schema(signature(), ("km",))))
    assert schema.field("request.km").type == pa.string()
    assert schema.field("request.driver").type == pa.int64()
