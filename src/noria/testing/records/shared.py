"""What several processes may expect of one store, and of one another's sudden death."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import pytest

from noria.errors import Conflict
from noria.records.chain import verify_chain
from noria.records.events import VersionRegistered
from noria.testing.records.doors import Doors, append, begin, moved
from noria.testing.samples import MODEL, NOON, a_label, a_result, a_version, run_finished, step_finished

WRITERS = 4
RUNS = 10  # of each writer
LABELS = 200
PATIENCE = 60.0  # s; a spawned process imports a database library first, on a machine that may be busy

Opening = Callable[[], Doors]


class SharedRecordsContract:
    """The fixture `opening` is a picklable function that opens the store of `records` in another process, such as
    `functools.partial(open_records, path)`."""

    def test_keeps_one_line_of_events_for_many_writers(self, records: Doors, opening: Opening) -> None:
        with _children(opening, _write_runs, WRITERS) as children:
            numbers = [number for child in children for number in child.hear()]
        assert sorted(numbers) == list(range(1, RUNS * WRITERS + 1))
        assert verify_chain(records.ledger.events(MODEL)) == 3 * RUNS * WRITERS

    def test_lets_one_of_many_move_an_alias(self, records: Doors, opening: Opening) -> None:
        append(records, *[VersionRegistered(version=a_version(number)) for number in range(WRITERS)])
        with _children(opening, _race_for_alias, WRITERS) as children:
            won = [child.number for child in children if child.hear()]
        assert len(won) == 1
        assert records.versions.aliases(MODEL) == {"champion": won[0]}
        assert verify_chain(records.ledger.events(MODEL)) == WRITERS + 1

    def test_stores_a_label_once_for_many_senders(self, records: Doors, opening: Opening) -> None:
        with _children(opening, _send_labels, WRITERS) as children:
            said = [word for child in children for word in child.hear()]
        assert (said.count("stored"), said.count("repeated")) == (LABELS, LABELS * (WRITERS - 1))
        assert len(records.feedback.after(MODEL, 0)) == LABELS

    @pytest.mark.parametrize("heard", [1, 13, 60])
    def test_loses_nothing_acknowledged_when_a_writer_is_killed(
        self, records: Doors, opening: Opening, heard: int
    ) -> None:
        with _children(opening, _write_for_ever, 1) as (child,):
            acknowledged = {child.hear() for _ in range(heard)}
            child.process.kill()
            acknowledged |= set(child.rest())

        steps = records.runs.steps(MODEL, 1)
        assert acknowledged <= {result.step for result in steps}
        assert verify_chain(records.ledger.events(MODEL)) == len(steps) + 1

        run = records.runs.unfinished(MODEL)
        assert run is not None
        append(records, run_finished(run, *steps))
        assert verify_chain(records.ledger.events(MODEL)) == len(steps) + 2


class _Child:
    """Another process and what it says."""

    def __init__(self, number: int, process: SpawnProcess, pipe: Connection) -> None:
        self.number = number
        self.process = process
        self._pipe = pipe

    def hear(self) -> Any:
        """The next word; fails the test when none comes."""
        assert self._pipe.poll(PATIENCE), f"process {self.number} has said nothing for {PATIENCE:g} s"
        return self._pipe.recv()

    def rest(self) -> Iterator[Any]:
        """What a dead process had said before."""
        self.process.join(PATIENCE)
        while True:
            try:
                yield self._pipe.recv()
            except EOFError:
                return


_Work = Callable[[Doors, int, Connection], None]


@contextmanager
def _children(opening: Opening, work: _Work, count: int) -> Iterator[list[_Child]]:
    """Processes that have opened the store and begin their work together; none outlives the block."""
    spawning = multiprocessing.get_context("spawn")
    gate = spawning.Barrier(count)
    children = []
    try:
        for number in range(count):
            ours, theirs = spawning.Pipe()
            process = spawning.Process(target=_live, args=(opening, work, number, theirs, gate))
            process.start()
            theirs.close()
            children.append(_Child(number, process, ours))
        yield children
    finally:
        for child in children:
            child.process.kill()
            child.process.join()


def _live(opening: Opening, work: _Work, number: int, pipe: Connection, gate: Any) -> None:
    records = opening()
    gate.wait(PATIENCE)
    work(records, number, pipe)


def _write_runs(records: Doors, number: int, pipe: Connection) -> None:
    numbers = []
    for turn in range(RUNS):
        run = begin(records)
        result = a_result("split", content=[number, turn])
        append(records, step_finished(run, result))
        append(records, run_finished(run, result))
        numbers.append(run.number)
    pipe.send(numbers)


def _race_for_alias(records: Doors, number: int, pipe: Connection) -> None:
    try:
        append(records, moved(None, number))
    except Conflict:
        pipe.send(False)
    else:
        pipe.send(True)


def _send_labels(records: Doors, number: int, pipe: Connection) -> None:
    said: list[str] = []
    for start in range(0, LABELS, 20):
        batch = [a_label(f"p-{start + offset}") for offset in range(20)]
        said += records.feedback.add(MODEL, batch, at=NOON)
    pipe.send(said)


def _write_for_ever(records: Doors, number: int, pipe: Connection) -> None:
    run = begin(records)
    turn = 0
    while True:
        turn += 1
        append(records, step_finished(run, a_result(f"step {turn}")))
        pipe.send(f"step {turn}")
