"""Failures beside the log: appended by many, read whole, cut lines passed over."""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from noria.adapters import log_failures
from noria.adapters.log_failures import FailureCounts, FailureLog
from noria.ports.serving import Failure, Unanswered
from noria.serving.failures import Failures

SECOND = 1_000_000
NOON = 1_767_268_800_000_000


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)


def failure(unit: str | None = "u1", way: str = "") -> Failure:
    return Failure(at=NOON, version=1, unit=unit, way=way)


def test_what_was_noted_is_read_and_forgotten(tmp_path: Path) -> None:
    log = FailureLog(tmp_path, "rides")
    assert list(log.read()) == []
    for one in (failure(), failure(None, "instead")):
        log.note(one)
    assert list(FailureLog(tmp_path, "rides").read()) == [failure(), failure(None, "instead")]
    log.clear()
    log.clear()
    assert list(log.read()) == []


def test_a_line_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    log = FailureLog(tmp_path, "rides")
    log.note(failure())
    path = tmp_path / "failures" / "rides.jsonl"
    with path.open("ab") as file:
        file.write(b'{"at":17672')
    assert list(log.read()) == [failure()]
    log.note(failure("u2"))
    assert list(log.read()) == [failure(), failure("u2")], "the next line is whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_ends_where_it_is_large(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(log_failures, "LARGEST", 300)
    log = FailureLog(tmp_path, "rides")
    for _ in range(50):
        log.note(failure())
    assert 3 <= len(list(log.read())) <= 6


def noting(state: Path, compared: Callable[[], bool], told: Callable[..., None]) -> Failures:
    return Failures(FailureLog(state, "rides"), FailureCounts(state, "rides"), 1, compared, told, sample=1.0)


def test_only_what_is_compared_is_noted(tmp_path: Path) -> None:
    beside = [True]
    notes = noting(tmp_path, lambda: beside[0], lambda event, **told: None)
    for way in ("", "instead", "shadow", "canary", "asked"):
        notes.note("u", 1, way, 500)
    notes.note("u", 1, "", 422)  # a caller's own fault
    beside[0] = False
    notes.note("u", 1, "", 500)
    assert [one.way for one in FailureLog(tmp_path, "rides").read()] == ["", "instead", "shadow"]


def test_a_full_disk_is_told_and_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "failures").write_text("no folder")
    told: list[str] = []
    notes = noting(tmp_path, lambda: True, lambda event, **_: told.append(event))
    notes.note("u", 1, "", 500)
    notes.count(1, "", 500, "GRAPH-FAILED")
    notes.flush()
    assert told == ["failure.unnoted"] * 2
    notes.flush()
    assert told == ["failure.unnoted"] * 2, "the same trouble is told once"
    (tmp_path / "failures").unlink()
    notes.count(2, "", 500, "GRAPH-FAILED")
    notes.flush()
    counts = list(FailureCounts(tmp_path, "rides").read(moment(0), moment(NOON)))
    assert counts == [Unanswered(at=1, version=1, codes={"GRAPH-FAILED": 2})], "they waited for the disk"


def test_all_whose_callers_got_an_error_are_counted_in_one_line_a_flush(tmp_path: Path) -> None:
    notes = noting(tmp_path, lambda: False, lambda event, **told: None)
    for way in ("", "instead", "shadow", "canary", "asked"):
        notes.count(NOON, way, 500, "GRAPH-FAILED")
    notes.count(NOON + 1, "", 503, "OVERLOADED")
    notes.count(NOON + 2, "", 422, "BAD-REQUEST")
    notes.flush()
    notes.flush()
    notes.count(NOON + SECOND, "", 504, "TOO-LATE")
    notes.flush()
    counts = FailureCounts(tmp_path, "rides")
    first = Unanswered(at=NOON, version=1, codes={"GRAPH-FAILED": 2, "OVERLOADED": 1})
    last = Unanswered(at=NOON + SECOND, version=1, codes={"TOO-LATE": 1})
    assert list(counts.read(moment(NOON), moment(NOON + 2 * SECOND))) == [first, last]
    assert list(counts.read(moment(NOON + 1), moment(NOON + SECOND))) == []
    assert list(FailureCounts(tmp_path, "buses").read(moment(0), moment(2 * NOON))) == []


def test_counts_of_long_ago_are_removed_by_the_first_of_a_day(tmp_path: Path) -> None:
    counts = FailureCounts(tmp_path, "rides")
    for days in (0, 1, log_failures.KEPT, log_failures.KEPT + 1):
        counts.note(Unanswered(at=NOON + days * 86_400 * SECOND, version=1, codes={"TOO-LATE": days}))
    kept = [one.codes["TOO-LATE"] for one in counts.read(moment(0), moment(2 * NOON))]
    assert kept == [1, log_failures.KEPT, log_failures.KEPT + 1]
