"""Rollouts of a real service under real traffic: good and bad challengers, people, and drivers that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from integration.rollout_world import (
    FAILING,
    POLICY,
    SLOW,
    begin,
    driven,
    last,
    opened,
    project,
    under_traffic,
)
from integration.serving_world import until
from noria.app.audit import audit
from noria.app.rollouts.verbs import abort, pause, resume
from noria.records.rollouts import Ended, Watching


def test_a_good_challenger_is_promoted_step_by_step(tmp_path: Path) -> None:
    world = project(tmp_path)
    world.register(2, bias=1000.0)
    with under_traffic(world) as seen:
        begin(seen.app, 2)
        done = driven(seen.app)
        assert isinstance(done.phase, Ended)
        assert done.phase.result == "promoted", done.phase
        assert [one.step for one in done.stretches] == [0, 1]
        assert done.rehearsal is not None
        assert done.rehearsal.passed
        assert done.rehearsal.same is True
        assert done.judged is not None
        assert done.judged.split < 1 / done.judged.split_alpha
        assert seen.app.records.versions.aliases("rides")["champion"] == 2
        seen.running.until_version(2)
        until(lambda: seen.admin.table().challengers == (), 20, "the champion alone")
        seen.callers.until_more()
        moved = [change for _, change in seen.app.records.ledger.events("rides", kinds=("alias.moved",))]
        assert "rollout rides/r1: errors: not worse" in moved[-1].why  # type: ignore[union-attr]
        assert audit(seen.app, "rides")[0].sound


def test_two_percent_of_errors_are_found_and_taken_back(tmp_path: Path) -> None:
    world = project(tmp_path)
    world.register(2, bias=1000.0, source=FAILING)
    policy = msgspec.structs.replace(POLICY, steps=(0.5,), margin=0.001)
    with under_traffic(world) as seen:
        begin(seen.app, 2, policy)
        done = driven(seen.app)
        assert isinstance(done.phase, Ended)
        assert done.phase.result == "aborted", done.phase
        assert "errors: worse" in done.phase.why
        assert seen.admin.table().challengers == ()
        assert seen.app.records.versions.aliases("rides")["champion"] == 1
        judged = done.judged.of("errors") if done.judged else None
        assert judged is not None
        assert judged.events[0] >= 5
        assert judged.events[1] == 0
        seen.callers.until_more()
        before = seen.callers.answers[2]
        seen.callers.until_more(200)
        assert seen.callers.answers[2] == before


def test_doubled_latency_is_found(tmp_path: Path) -> None:
    world = project(tmp_path)
    world.register(2, bias=1000.0, source=SLOW)
    policy = msgspec.structs.replace(POLICY, latency_ms=25.0)
    with under_traffic(world) as seen:
        begin(seen.app, 2, policy)
        done = driven(seen.app)
        assert isinstance(done.phase, Ended)
        assert done.phase.result == "aborted", done.phase
        assert "slow: worse" in done.phase.why


def test_copies_alone_convict_a_shadow(tmp_path: Path) -> None:
    world = project(tmp_path)
    world.register(2, bias=1000.0, source=FAILING)
    policy = msgspec.structs.replace(POLICY, strategy="shadow", margin=0.001)
    with under_traffic(world) as seen:
        begin(seen.app, 2, policy)
        done = driven(seen.app)
        assert isinstance(done.phase, Ended)
        assert done.phase.result == "aborted", done.phase
        assert "errors: worse" in done.phase.why
        assert set(seen.callers.answers) == {1}


def test_a_version_that_cannot_be_loaded_asks_nobody(tmp_path: Path) -> None:
    world = project(tmp_path)
    world.register(2, broken='raise OSError("no")')
    with under_traffic(world) as seen:
        begin(seen.app, 2)
        done = driven(seen.app)
        assert isinstance(done.phase, Ended)
        assert "it cannot be loaded" in done.phase.why
        assert done.stretches == ()


def test_a_person_pauses_goes_on_and_aborts(tmp_path: Path) -> None:
    world = project(tmp_path)
    world.register(2, bias=1000.0)
    with under_traffic(world) as seen:
        begin(seen.app, 2, msgspec.structs.replace(POLICY, units=10**6))
        driven(seen.app, Watching)
        assert seen.admin.table().challengers[0].share == 0.2
        pause(seen.app, "rides", by="ada", why="lunch")
        resume(seen.app, "rides", by="ada")
        abort(seen.app, "rides", by="ada", why="wrong prices")
        done = driven(seen.app)
        assert isinstance(done.phase, Ended)
        assert done.phase.why == "wrong prices"
        assert seen.admin.table().challengers == ()


DRIVE = """
import sys, time
from pathlib import Path
from noria.app.rollouts.driver import driving
with driving(Path(sys.argv[1]), ["rides"], lambda line: print(line, flush=True)):
    time.sleep(600)
"""


def test_a_killed_driver_is_followed_by_another(tmp_path: Path) -> None:
    """Killed after each word that it says, which is between any two changes."""
    world = project(tmp_path)
    world.register(2, bias=1000.0)
    with under_traffic(world) as seen:
        begin(seen.app, 2)
        for _ in range(20):
            process = subprocess.Popen(
                [sys.executable, "-c", DRIVE, str(tmp_path)], stdout=subprocess.PIPE, text=True
            )
            assert process.stdout is not None
            process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process.stdout.close()
            if not last(seen.app).open:
                break
        done = last(seen.app)
        assert isinstance(done.phase, Ended)
        assert done.phase.result == "promoted"
        assert [one.step for one in done.stretches] == [0, 1]
        revisions = [one.revision for one in seen.app.records.rollouts.history("rides", 1)]
        assert revisions == list(range(1, done.revision + 1))
        assert audit(seen.app, "rides")[0].sound


def test_without_a_service_it_waits(tmp_path: Path) -> None:
    from noria.app.rollouts.driver import Driver

    world = project(tmp_path)
    world.register(2, bias=1000.0)
    with opened(world) as app:
        begin(app, 2)
        driver = Driver(app, "rides")
        assert driver.turn() is not None
        waits = driver.turn()
        driver.close()
        assert waits is not None
        assert waits.waiting == "no service of rides@champion runs on this machine: noria serve rides"
