"""One JSON form for one record: what a digest can be taken of, today and in ten years."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from noria.records import base
from noria.records.base import Record, canonical, digest_bytes, digest_of, parse, short
from noria.records.events import AliasMoved, RunFinished
from noria.records.runs import Fingerprint, Interrupted, Outcome, Run, Succeeded
from noria.testing.samples import NOON, a_digest, a_new_run, a_result, a_state, a_version, run_finished

TOKYO = timezone(timedelta(hours=9))


class Place(Record):
    name: str
    seen: datetime | None = None
    loss: float = 0.0
    tags: tuple[str, ...] = ()


class LaterPlace(Record):
    """`Place`, as a later Noria might have it."""

    name: str
    seen: datetime | None = None
    loss: float = 0.0
    tags: tuple[str, ...] = ()
    country: str = ""


def test_sorts_keys_leaves_out_defaults_and_names_the_kind() -> None:
    moved = AliasMoved(model="delay", alias="champion", before=None, after=3, why="better", by="gates")
    assert canonical(moved) == (
        b'{"after":3,"alias":"champion","before":null,"by":"gates","model":"delay",'
        b'"type":"alias.moved","why":"better"}'
    )
    assert canonical(Place(name="Newark")) == b'{"name":"Newark"}'


def test_a_field_added_later_changes_no_old_digest() -> None:
    old, new = Place(name="Newark", loss=0.5), LaterPlace(name="Newark", loss=0.5)
    assert digest_of(old) == digest_of(new)
    assert digest_of(new) != digest_of(LaterPlace(name="Newark", loss=0.5, country="US"))


def test_does_not_depend_on_the_order_in_which_a_dict_was_filled() -> None:
    assert canonical({"b": 1, "a": {"d": 2, "c": 3}}) == canonical({"a": {"c": 3, "d": 2}, "b": 1})


def test_tells_times_in_utc() -> None:
    noon = datetime(2013, 2, 1, 12, tzinfo=UTC)
    assert canonical(Place(name="x", seen=noon)) == b'{"name":"x","seen":"2013-02-01T12:00:00Z"}'
    assert canonical(Place(name="x", seen=noon.astimezone(TOKYO))) == canonical(Place(name="x", seen=noon))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (Place(name="x", loss=float("nan")), "loss is nan"),
        (Place(name="x", loss=float("inf")), "loss is inf"),
        ({"rows": [{"a": 1.0}, {"a": float("-inf")}]}, "rows[1].a is -inf"),
        (float("nan"), "value is nan"),
        (Place(name="x", seen=datetime(2013, 2, 1)), "seen is 2013-02-01 00:00:00, a time without a zone"),
    ],
)
def test_refuses_what_would_not_come_back(value: object, complaint: str) -> None:
    with pytest.raises(ValueError, match="^" + complaint.replace("[", r"\[")):
        canonical(value)


@pytest.mark.parametrize(
    "record",
    [
        a_new_run(),
        a_result("split"),
        a_result("split", reused="delay/3"),
        a_state(),
        a_version(),
        Place(name='tab\t quote" line\u2028 é 東京 🛫', tags=("a", "b")),
        Place(name="", loss=1e-300),
    ],
    ids=lambda record: type(record).__name__,
)
def test_comes_back_as_it_was(record: Record) -> None:
    data = canonical(record)
    back = parse(data, type(record))
    assert back == record
    assert canonical(back) == data


@pytest.mark.parametrize("outcome", [Succeeded(version=3, metrics={"auc": 0.7}), Interrupted()])
def test_tells_the_members_of_a_union_apart(outcome: Outcome) -> None:
    change = run_finished(Run(number=1, started=NOON, asked=a_new_run()), outcome=outcome)
    assert parse(canonical(change), RunFinished).outcome == outcome


@pytest.mark.parametrize("data", [b"{}", b'{"name": 3}', b'{"name": "x", "seen": "yesterday"}', b"not JSON"])
def test_parsing_refuses_what_does_not_fit(data: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        parse(data, Place)


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Place(name="x").name = "y"  # type: ignore[misc]


def _fingerprint(**changes: Any) -> Fingerprint:
    values: dict[str, Any] = {
        "code": a_digest("code"),
        "inputs": {"flights": a_digest("flights")},
        "parameters": {"rounds": 100},
        "environment": a_digest("environment"),
        "seed": 0,
    }
    return Fingerprint(**values | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": a_digest("other code")},
        {"inputs": {"flights": a_digest("other flights")}},
        {"inputs": {"flights": a_digest("flights"), "weather": a_digest("weather")}},
        {"parameters": {"rounds": 101}},
        {"parameters": {"rounds": "100"}},
        {"parameters": {"rounds": True}},
        {"parameters": {}},
        {"environment": a_digest("other environment")},
        {"seed": 1},
    ],
    ids=str,
)
def test_whatever_decides_a_result_changes_its_fingerprint(changes: dict[str, Any]) -> None:
    assert digest_of(_fingerprint(**changes)) != digest_of(_fingerprint())


def test_a_digest_is_the_same_in_another_process() -> None:
    code = (
        "from noria.testing.samples import a_version; from noria.records.base import digest_of;"
        "print(digest_of(a_version()))"
    )
    for hash_seed in ("1", "2"):
        env = os.environ | {
            "PYTHONHASHSEED": hash_seed,
            "TZ": "Asia/Tokyo",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        told = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        assert told.stdout.strip() == digest_of(a_version())


def test_digests_say_their_algorithm() -> None:
    empty = "blake3:af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert digest_bytes(b"") == digest_bytes(memoryview(b"")) == empty
    assert short(empty) == "af1349b9f5f9"


def test_what_was_stored_before_keeps_its_digest() -> None:
    """A change of a record that makes this fail breaks every chain in the world."""
    assert short(digest_of(a_result("split"))) == "17cd8f4bf6f9"
    assert short(digest_of(a_version())) == "d07973438228"


@pytest.mark.parametrize(
    "value",
    [
        {"b": [1, 2.5, "T10:00:00"], "a": {"z": [None]}},
        ["T10:00:00", noon := datetime(2013, 2, 1, 12, tzinfo=UTC), noon.astimezone(TOKYO)],
        {"at": noon.replace(microsecond=456).astimezone(TOKYO), "said": "2013-02-01T12:00:00"},
        ["null", b"bytes", True, 1e300, -0.0, 10**30],
    ],
)
def test_the_quick_way_gives_what_the_careful_one_does(
    value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = canonical(value)
    monkeypatch.setattr(base, "_DOUBTFUL", re.compile(b""))  # now everything is in doubt
    assert canonical(value) == quick
