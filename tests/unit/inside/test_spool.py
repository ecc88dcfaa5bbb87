"""Points on their way: what was written is read, whoever died in between."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noria.inside.spool import POINT, CannotLog, Spool, columns_in, points_in
from noria.records.checkpoints import Segment

NAMES = st.text(min_size=0, max_size=70)
MOMENTS = st.lists(
    st.tuples(
        st.lists(st.tuples(NAMES, st.floats()), min_size=1, max_size=4),
        st.none() | st.integers(-(2**62), 2**62),
    ),
    max_size=30,
)


def written(spool: Spool) -> list[tuple[str, int, float]]:
    return [(point.name, point.step, point.value) for path in spool.files() for point in points_in(path)]


def test_a_round_trip(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "model")
    spool.write([("loss", 0.5), ("auc", 0.7)], 3)
    spool.write([("loss", 0.25)], 4)
    assert written(spool) == [("loss", 3, 0.5), ("auc", 3, 0.7), ("loss", 4, 0.25)]


def test_without_a_step_each_series_counts_for_itself_and_goes_on_after_a_given_one(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "model")
    for step in (None, None, 10, None):
        spool.write([("loss", 1.0)], step)
    spool.write([("auc", 1.0)], None)
    assert [step for name, step, _ in written(spool) if name == "loss"] == [0, 1, 10, 11]
    assert [step for name, step, _ in written(spool) if name == "auc"] == [0]


@pytest.mark.parametrize(
    "name", ["", "Verlust größer", "損失/検証", "🌊" * 40, "x" * 28, "x" * 29, "a\nb\x00c", "\ud800 alone"]
)
def test_names_of_every_kind(tmp_path: Path, name: str) -> None:
    spool = Spool(tmp_path, "model")
    spool.write([("before", 1.0), (name, 2.0), ("after", 3.0)], 0)
    readable = name.encode(errors="replace").decode()
    assert written(spool) == [("before", 0, 1.0), (readable, 0, 2.0), ("after", 0, 3.0)]


def test_many_series(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "model")
    for step in range(3):
        spool.write([(f"layer {number}/norm", number + step) for number in range(2000)], step)
    found = columns_in(spool.path)
    assert len(found.names) == 2000
    assert found.value.tolist() == [number + step for step in range(3) for number in range(2000)]


def test_nothing_is_made_before_the_first_point(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "none", "model")
    assert spool.files() == [] and spool.segments() == ()
    spool.close()
    assert not (tmp_path / "none").exists()


@given(moments=MOMENTS)
def test_whatever_is_written_is_read_in_its_order(
    moments: list[tuple[list[tuple[str, float]], int | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), "model")
    wanted: list[tuple[str, int, float]] = []
    following: dict[str, int] = {}
    for points, step in moments:
        spool.write(points, step)
        for name, value in points:
            at = following.get(name, 0) if step is None else step
            following[name] = at + 1
            wanted.append((name.encode(errors="replace").decode(), at, value))
    spool.close()
    np.testing.assert_equal(written(spool), wanted)


@given(moments=MOMENTS, cut=st.floats(0, 1))
def test_a_file_that_a_kill_cut_anywhere_holds_the_points_before(
    moments: list[tuple[list[tuple[str, float]], int | None]],
    cut: float,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    spool = Spool(tmp_path_factory.mktemp("torn"), "model")
    ends = [(0, 0)]  # bytes, and points by then
    for points, step in moments:
        spool.write(points, step)
        ends.append((spool.segments()[0].size, ends[-1][1] + len(points)))
    spool.close()
    whole, size = written(spool), int(cut * ends[-1][0])
    if spool.files():
        os.truncate(spool.path, size)
    left = written(spool)
    np.testing.assert_equal(left, whole[: len(left)])
    assert len(left) >= max(points for end, points in ends if end <= size)


def test_threads_that_write_at_once_lose_nothing_and_mix_nothing_up(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "model")
    begin = threading.Barrier(8)

    def log(thread: int) -> None:
        begin.wait()
        for step in range(500):
            spool.write([(f"of {thread}", thread * 1000.0 + step), ("all", thread)], step)

    threads = [threading.Thread(target=log, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = written(spool)
    assert len(found) == 8 * 500 * 2
    for thread in range(8):
        own = [(step, value) for name, step, value in found if name == f"of {thread}"]
        assert own == [(step, thread * 1000.0 + step) for step in range(500)]


def test_points_that_cannot_be_taken_leave_those_after_them_as_they_are(tmp_path: Path) -> None:
    def changing() -> Iterator[tuple[str, float]]:
        yield "first", 1.0
        raise RuntimeError("dictionary changed size during iteration")

    spool = Spool(tmp_path, "step")
    with pytest.raises(RuntimeError):
        spool.write(changing(), 0)
    spool.write([("second", 2.0), ("first", 3.0)], 1)
    assert [(point.name, point.value) for point in points_in(spool.path)] == [("second", 2.0), ("first", 3.0)]


def test_a_process_that_the_step_forks_writes_a_file_of_its_own(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "model")
    spool.write([("loss", 1.0)], 0)
    child = os.fork()
    if child == 0:
        spool.write([("loss", 2.0)], 1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    spool.write([("loss", 3.0)], 2)
    assert len(spool.files()) == 2
    assert sorted(written(spool)) == [("loss", 0, 1.0), ("loss", 1, 2.0), ("loss", 2, 3.0)]
    assert sum(segment.size for segment in spool.segments()) == sum(
        path.stat().st_size for path in spool.files()
    )
    spool.drop()
    assert spool.files() == []


def test_an_attempt_takes_over_what_an_earlier_one_had_logged(tmp_path: Path) -> None:
    first = Spool(tmp_path, "model-first")
    first.write([("loss", 1.0), ("auc", 0.5)], None)
    kept = first.segments()
    first.write([("loss", 0.9)], None)  # after the checkpoint: whoever goes on logs it again
    second = Spool(tmp_path, "model-second")
    second.take(kept)
    second.take(kept)
    second.write([("auc", 0.6), ("loss", 0.8)], None)
    third = Spool(tmp_path, "model-third")
    third.take(second.segments())
    third.write([("auc", 0.7)], None)
    assert written(third) == [
        *(("loss", 0, 1.0), ("auc", 0, 0.5)),
        *(("auc", 1, 0.6), ("loss", 1, 0.8)),
        ("auc", 2, 0.7),
    ]


def test_what_is_gone_is_left_out(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "model")
    spool.take([Segment(path=str(tmp_path / "gone.spool"), size=280)])
    assert spool.files() == []


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotLog, match="File exists") as caught:
        Spool(tmp_path / "file", "model").write([("loss", 1.0)], 0)
    assert "free some space" in caught.value.advice()


def test_a_full_disk_takes_no_half_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, "model")
    spool.write([("loss", 1.0)], 0)
    real = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) <= POINT.size:
            raise OSError(28, "No space left on device")
        return real(file, data[: POINT.size])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(CannotLog, match="No space left"):
            spool.write([("auc", 2.0)], 1)
    spool.write([("auc", 3.0)], 2)
    assert written(spool) == [("loss", 0, 1.0), ("auc", 2, 3.0)]
