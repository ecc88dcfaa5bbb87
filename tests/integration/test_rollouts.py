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
from noria.app.rollback import rollback
from noria.app.rollouts.driver import Driver
from noria.app.rollouts.verbs import abort
from noria.records.rollouts import Ended, Rollout, Standing

DRIVE = """
import sys, time
from pathlib import Path
from noria.app.rollouts.driver import driving
with driving(Path(sys.argv[1]), ["rides"], lambda line: print(line, flush=True)):
    time.sleep(600)
"""
AT_MOST = 12  # drivers; a rollout of one step changes five times


def test_a_good_challenger_is_promoted_though_each_driver_is_killed(tmp_path: Path) -> None:
    """Killed after the first word that it says, which is between two changes. Then it is rolled back."""
    world = project(tmp_path)
    world.register(2, bias=1000.0)
    with under_traffic(world) as seen:
        begin(seen.app, 2, msgspec.structs.replace(POLICY, steps=(0.5,)))
        for _ in range(AT_MOST):
            _driven_and_killed(tmp_path)
            if not last(seen.app).open:
                break
        done = last(seen.app)
        assert isinstance(done.phase, Ended)
        assert done.phase.result == "promoted", done.phase
        assert [one.step for one in done.stretches] == [0]
        assert done.rehearsal is not None
        assert done.rehearsal.same is True
        revisions = [one.revision for one in seen.app.records.rollouts.history("rides", 1)]
        assert revisions == list(range(1, done.revision + 1))
        moved = [change for _, change in seen.app.records.ledger.events("rides", kinds=("alias.moved",))]
        assert "rollout rides/r1: errors: not worse" in moved[-1].why  # type: ignore[union-attr]
        seen.running.until_version(2)
        until(lambda: seen.admin.workers(1, "resting"), 20, "the spare of the version before")
        back = rollback(seen.app, "rides", by="ada")
        assert [(one.version, one.problem) for one in back.services] == [(1, "")]
        assert len(seen.admin.workers(1)) == 1
        seen.callers.until_more()
        assert audit(seen.app, "rides")[0].sound


def _driven_and_killed(folder: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", DRIVE, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_what_is_worse_is_taken_back(tmp_path: Path) -> None:
    """2 % of the units fail at one challenger, another is slow, a third cannot be loaded: each by its own evidence."""
    world = project(tmp_path)
    world.register(2, bias=1000.0, source=FAILING)
    world.register(3, bias=2000.0, source=SLOW)
    world.register(4, broken='raise OSError("no")')
    half = msgspec.structs.replace(POLICY, steps=(0.5,), margin=0.001)
    with under_traffic(world) as seen:
        begin(seen.app, 2, half)
        ended, errors = _taken_back(driven(seen.app), "errors")
        assert "errors: worse" in ended.why
        assert errors.events[0] >= 5
        assert errors.events[1] == 0
        assert seen.admin.table().challengers == ()
        before = seen.callers.answers[2]
        seen.callers.until_more(100)
        assert seen.callers.answers[2] - before <= 4  # those that were under way
        begin(seen.app, 3, msgspec.structs.replace(half, latency_ms=300.0))
        ended, slow = _taken_back(driven(seen.app), "slow")
        assert "slow: worse" in ended.why
        assert slow.events[0] >= 5
        begin(seen.app, 4)
        done = driven(seen.app)
        assert isinstance(done.phase, Ended)
        assert "it cannot be loaded" in done.phase.why
        assert done.stretches == ()
        assert seen.app.records.versions.aliases("rides")["champion"] == 1


def _taken_back(done: Rollout, metric: str) -> tuple[Ended, Standing]:
    assert isinstance(done.phase, Ended)
    assert done.phase.result == "aborted", done.phase
    standing = done.judged.of(metric) if done.judged else None
    assert standing is not None
    return done.phase, standing


def test_without_a_service_it_waits(tmp_path: Path) -> None:
    world = project(tmp_path)
    world.register(2, bias=1000.0)
    with opened(world) as app:
        begin(app, 2)
        driver = Driver(app, "rides")
        driver.turn()
        waits = driver.turn()
        driver.close()
        assert waits is not None
        assert waits.waiting == "no service of rides@champion runs on this machine: noria serve rides"
        abort(app, "rides", by="ada", why="wrong prices")
