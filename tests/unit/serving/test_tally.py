"""Counts that others can read, also after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noria.serving import tally as tallies
from noria.serving.account import Account
from noria.serving.exposition import page
from noria.serving.tally import Place, Tally, added, read_tally


def test_a_count_is_there_for_others_at_once_and_by_its_labels(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "one")
    place = tally.counter("noria_rows", version="1", model="m")
    assert tally.counter("noria_rows", model="m", version="1") == place
    tally.add(place, 3)
    tally.settle()
    seen = read_tally(tmp_path / "one")
    assert seen[Place("noria_rows", (("model", "m"), ("version", "1")))] == 3.0
    assert read_tally(tmp_path / "another") == {}


def test_a_killed_process_has_counted_what_it_counted(tmp_path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from noria.serving.tally import Tally
tally = Tally(Path({str(tmp_path / "one")!r}))
place = tally.counter("noria_in_flight")
tally.settle()
for _ in range(1000):
    tally.add(place)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert read_tally(tmp_path / "one")[Place("noria_in_flight", ())] == 1000.0


def test_counts_of_several_processes_are_one_page(tmp_path: Path) -> None:
    counts = []
    for name in ("one", "two"):
        tally = Tally(tmp_path / name)
        tally.add(tally.counter("noria_rows", model="m", version="1"), 2)
        tally.observe(tally.histogram("noria_request_seconds", model="m", version="1"), 0.002)
        tally.observe(tally.histogram("noria_request_seconds", model="m", version="1"), 99.0, 16)
        tally.settle()
        counts.append(read_tally(tmp_path / name))
    text = page(added(iter(counts))).decode()
    assert 'noria_rows_total{model="m",version="1"} 4.0' in text
    assert 'noria_request_seconds_bucket{le="0.001",model="m",version="1"} 0.0' in text
    assert 'noria_request_seconds_bucket{le="0.0025",model="m",version="1"} 2.0' in text
    assert 'noria_request_seconds_count{model="m",version="1"} 34.0' in text


def test_labels_without_end_find_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "PLACES", 64)
    tally = Tally(tmp_path / "one")
    for number in range(tallies.PLACES + 10):
        tally.add(tally.counter("noria_nulls", column=f"c{number}"))
    tally.settle()
    seen = read_tally(tmp_path / "one")
    assert seen[Place("noria_uncounted", ())] == 11.0
    assert os.path.getsize(tmp_path / "one.counts") == 8 * tallies.PLACES  # noqa: PTH202


def test_what_a_lost_worker_had_is_bounded_by_its_connections(tmp_path: Path) -> None:
    """A killed worker's callers wait for answers to requests that it had not read yet, or had answered into a buffer."""
    worker = Tally(tmp_path / "worker")
    worker.add(worker.counter("noria_in_flight", version="1"), 1)
    worker.add(worker.counter("noria_connections", version="1"), 16)
    worker.settle()
    account, keeper = Account(), Tally(tmp_path / "keeper")
    account.lose(account.close(tmp_path / "worker"))
    account.tell(keeper)
    told = {place.name: value for place, value in keeper.read().items()}
    assert (told["noria_requests_lost"], told["noria_connections_lost"]) == (1, 16)
