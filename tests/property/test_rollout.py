"""Rollouts under any interleaving of drivers, deaths of drivers, restarts of the service and people.

The world is a ledger with compare-and-set, a service with one routing table, and evidence that depends on the step alone. Drivers
act on what they read, which may be stale by then, and die before or after anything that they do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from noria.records.rollouts import (
    Counted,
    Ended,
    Firsts,
    Losses,
    Observed,
    Opening,
    Owing,
    Rehearsal,
    Rollout,
    RolloutPolicy,
    Standby,
    Strategy,
    Watching,
    Withdrawing,
)
from noria.rollout.copies import had_copies, in_evidence
from noria.rollout.drive import Held, Move, Never, NotYet, turn
from noria.rollout.machine import Table, aborted, convicted, paused, resumed, stepped, wanted

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = 1, 2
STEPS = (0.05, 0.25, 0.5)


class Killed(Exception):
    """The driver's process is gone."""


@dataclass(frozen=True)
class Thin:
    """A step in which hardly any unit comes, so that it is undecided."""

    step: int
    copies: Literal["good", "bad", "thin"]
    """What is found of the challenger when it answers copies."""
    for_ever: bool = False
    """Whether few units come when it is tried again, too."""

    def holds(self, rollout: Rollout) -> bool:
        phase = rollout.phase
        assert isinstance(phase, Watching)
        if phase.copies:
            return self.copies == "thin"
        return phase.step == self.step and (self.for_ever or not had_copies(rollout, phase.step))


@dataclass
class World:
    """What outlives every driver."""

    policy: RolloutPolicy
    bad_at: int | None
    """The step in which the challenger is found to be worse; None: never."""
    loads: bool = True
    way_back: bool = True
    convicts: bool = False
    thin: Thin | None = None
    bad_after: bool = False
    """Whether it is found to be worse once it is the champion and its predecessor stands by."""
    hampered: bool = False
    """Whether its predecessor can get no copies."""
    history: list[Rollout] = field(default_factory=list)
    alias: int = OLD
    table: Table = field(default_factory=Table)
    tables: list[Table] = field(default_factory=list)
    up: bool = True
    time: datetime = NOON

    def __post_init__(self) -> None:
        first = Rollout(
            model="m", number=1, version=NEW, champion=OLD, policy=self.policy, started=NOON, by="ada"
        )
        self.history.append(first)

    @property
    def current(self) -> Rollout:
        return self.history[-1]

    def append(self, rollout: Rollout, move: Move | None) -> bool:
        """One transaction, after the revision before."""
        if rollout.revision != self.current.revision + 1 or not self.current.open:
            return False
        if move is not None:
            if self.alias != move.before:
                return False
            self.alias = move.after
            self.hold(Table())  # as a service does whose challenger becomes its champion
        self.history.append(rollout)
        return True

    def hold(self, table: Table) -> None:
        if table != self.table:
            self.table = table
            self.tables.append(table)


@dataclass
class OneDoor:
    """A driver's own; it dies at its n-th act, before or after it."""

    world: World
    dies: int | None = None
    after: bool = False
    acts: int = 0

    def _act(self, does: Callable[[], Any]) -> Any:
        self.acts += 1
        if self.acts == self.dies and not self.after:
            raise Killed
        done = does()
        if self.acts == self.dies:
            raise Killed
        return done

    def now(self) -> datetime:
        return self.world.time

    def champion(self) -> int | None:
        return self.world.alias

    def rehearse(self, rollout: Rollout) -> Rehearsal:
        return self._act(lambda: Rehearsal(version=OLD, whole=self.world.way_back))  # type: ignore[no-any-return]

    def hold(self, rollout: Rollout, table: Table) -> Held | NotYet | Never:
        def act() -> Held | NotYet | Never:
            if not self.world.up:
                return NotYet("no service runs")
            if not self.world.loads and table != Table():
                return Never("it does not load")
            if table.shadow == OLD and self.world.hampered:
                return NotYet("a third answers by hand")
            if table.shadow == self.world.alias:
                return NotYet("the service has not followed the alias yet")
            if (
                self.world.current.revision == rollout.revision
            ):  # the service's own generation refuses what is stale
                self.world.hold(table)
            return Held()

        return self._act(act)  # type: ignore[no-any-return]

    def observe(self, rollout: Rollout) -> Observed | NotYet:
        def look() -> Observed | NotYet:
            if isinstance(rollout.phase, Owing):
                return owed(self.world.convicts)
            if not self.world.up:
                return NotYet("no service runs")
            if isinstance(rollout.phase, Standby):
                if self.world.table != wanted(rollout):
                    return Observed(displaced=self.world.time)
                return seen(rollout, bad=self.world.bad_after)
            assert isinstance(rollout.phase, Watching)
            if self.world.table != wanted(rollout):  # nobody asks the challenger
                return Observed(displaced=self.world.time)
            thin = self.world.thin
            if thin is not None and thin.holds(rollout):
                return few(rollout)
            if rollout.phase.copies:
                return seen(rollout, bad=thin is not None and thin.copies == "bad")
            return seen(rollout, bad=rollout.phase.step == self.world.bad_at)

        return self._act(look)  # type: ignore[no-any-return]

    def append(self, rollout: Rollout, *, why: str, by: str, move: Move | None = None) -> bool:
        return self._act(lambda: self.world.append(rollout, move))  # type: ignore[no-any-return]


def seen(rollout: Rollout, *, bad: bool) -> Observed:
    """Plenty of evidence of what the challenger is."""
    failed, stretches = 400 if bad else 0, in_evidence(rollout).stretches
    counted = tuple(
        Counted(
            share=one.share,
            units=(round(10_000 * (one.share or 0.5)), round(10_000 * (1 - (one.share or 0.5)))),
            failed=(failed if at == len(stretches) - 1 else 0, 0),
        )
        for at, one in enumerate(stretches)
    )
    many = Firsts(units=100_000)
    return Observed(counted=counted, here=(1000, 1000), challenger=many, champion=many)


def few(rollout: Rollout) -> Observed:
    """Too little evidence of anything."""
    counted = tuple(Counted(share=one.share) for one in in_evidence(rollout).stretches)
    return Observed(counted=counted, here=(3, 3), challenger=Firsts(units=3), champion=Firsts(units=3))


def owed(convicts: bool) -> Observed:
    found = 0.5 if convicts else 0.0
    return Observed(losses=Losses(differences=(found,) * 60, width=1.0))


POLICIES = st.sampled_from(("canary",) * 5 + ("shadow", "blue-green", "replace")).flatmap(
    lambda strategy: st.sampled_from((None, 0.02)).map(
        lambda quality: RolloutPolicy(strategy=strategy, steps=STEPS, quality=quality)
    )
)
STANDBY = st.builds(
    World,
    policy=st.builds(
        RolloutPolicy,
        strategy=st.just("blue-green"),
        standby=st.just(180.0),
        quality=st.sampled_from((None, 0.02)),
    ),
    bad_at=st.sampled_from((None, None, 0)),
    convicts=st.booleans(),
    bad_after=st.booleans(),
)
WORLDS = st.builds(
    World,
    policy=POLICIES,
    bad_at=st.sampled_from((None, None, 0, 1, 2)),
    loads=st.sampled_from((True, True, True, False)),
    way_back=st.sampled_from((True, True, True, False)),
    convicts=st.booleans(),
)
PATIENT = st.builds(
    RolloutPolicy,
    steps=st.just(STEPS),
    patience=st.just(300.0),
    undecided=st.sampled_from(("shadow",) * 3 + ("end",)),
)
THIN = st.builds(
    World,
    policy=PATIENT,
    bad_at=st.sampled_from((None, None, 1)),
    thin=st.builds(
        Thin,
        step=st.integers(0, 2),
        copies=st.sampled_from(("good", "good", "bad", "thin")),
        for_ever=st.booleans(),
    ),
)


class Rollouts(RuleBasedStateMachine):
    @initialize(world=st.one_of(WORLDS, THIN, STANDBY))
    def begin(self, world: World) -> None:
        self.world = world
        self.stale = [world.current, world.current]
        self.person = False
        self.same = World(
            world.policy,
            world.bad_at,
            world.loads,
            world.way_back,
            world.convicts,
            world.thin,
            world.bad_after,
        )

    @rule(who=st.integers(0, 1))
    def reads(self, who: int) -> None:
        self.stale[who] = self.world.current

    @rule(who=st.integers(0, 1), dies=st.integers(1, 4), after=st.booleans())
    def drives_and_dies(self, who: int, dies: int, after: bool) -> None:
        try:
            turn(OneDoor(self.world, dies, after), self.stale[who])
        except Killed:
            self.stale[who] = self.world.current

    @rule(who=st.integers(0, 1))
    def drives(self, who: int) -> None:
        turn(OneDoor(self.world), self.stale[who])

    @rule()
    def drives_on(self) -> None:
        turn(OneDoor(self.world), self.world.current)

    @rule(minutes=st.integers(0, 60))
    def time_goes_by(self, minutes: int) -> None:
        self.world.time += timedelta(minutes=minutes)

    @rule(keeps=st.booleans())
    def service_restarts(self, keeps: bool) -> None:
        self.world.up = True
        if not keeps:
            self.world.hold(Table())

    @rule()
    def service_dies(self) -> None:
        self.world.up = False

    @rule()
    def person_pauses(self) -> None:
        self._says(paused(self.world.current, "ada", "lunch", self.world.time))

    @rule()
    def person_resumes(self) -> None:
        self._says(resumed(self.world.current))

    @precondition(lambda self: not self.person)
    @rule(what=st.sampled_from(("abort", "step", "back")))
    def person_decides(self, what: str) -> None:
        now = self.world.time
        rollout = self.world.current
        if what == "back":
            return self._goes_back(convicted(rollout, "by ada", now))
        new = aborted(rollout, "by ada", now) if what == "abort" else stepped(rollout, now)
        self.person |= new is not rollout
        self._says(new)

    def _goes_back(self, new: Rollout) -> None:
        """`noria rollback`, after a switch: alias and rollout in one transaction."""
        if new is not self.world.current:
            self.person = True
            assert self.world.append(new, Move(before=NEW, after=OLD, why="by ada"))

    def _says(self, new: Rollout) -> None:
        if new is not self.world.current:
            assert self.world.append(new, None)

    @invariant()
    def shares_are_whole(self) -> None:
        for table in self.world.tables:
            assert 0.0 <= table.share <= 1.0
            assert table.share + (1.0 - table.share) == 1.0
            assert table.challenger is None or table.share in STEPS

    @invariant()
    def no_step_is_skipped(self) -> None:
        steps = [one.step for one in self.world.current.stretches]
        assert all(later - earlier in (0, 1) for earlier, later in pairwise(steps))
        assert not steps or steps[0] == 0
        if self.world.policy.strategy == "canary":
            shares = [one.share for one in self.world.current.stretches if one.share]
            assert tuple(dict.fromkeys(shares)) == STEPS[: len(set(shares))]

    @invariant()
    def steps_follow_one_another(self) -> None:
        phases = [one.phase for one in self.world.history]
        for before, after in pairwise(phases):
            if isinstance(before, Watching) and isinstance(after, Opening):
                assert after.step in (before.step, before.step + 1)
                if before.copies or after.copies:
                    assert after.step == before.step

    @invariant()
    def no_step_is_undecided_twice(self) -> None:
        phases = [one.phase for one in self.world.history]
        turned = [
            after.step
            for before, after in pairwise(phases)
            if isinstance(before, Watching) and isinstance(after, Opening) and after.copies > before.copies
        ]
        assert len(turned) == len(set(turned))

    @invariant()
    def of_copies_nobody_sees_an_answer(self) -> None:
        phase = self.world.current.phase
        if isinstance(phase, Watching) and phase.copies:
            assert self.world.table in (Table(shadow=NEW), Table())

    @invariant()
    def who_stands_by_answers_nobody_and_only_after_the_switch(self) -> None:
        phase = self.world.current.phase
        if self.world.table.shadow == OLD:
            assert self.world.alias == NEW
            assert self.world.table == Table(shadow=OLD)
            assert isinstance(phase, Standby | Withdrawing)
        if isinstance(phase, Standby):
            assert self.world.alias == NEW

    @invariant()
    def history_is_one(self) -> None:
        assert [one.revision for one in self.world.history] == list(range(1, len(self.world.history) + 1))

    @invariant()
    def who_is_taken_back_answers_nobody(self) -> None:
        phase = self.world.current.phase
        if isinstance(phase, Ended):
            assert self.world.table == Table()
            assert self.world.alias == (NEW if phase.result == "promoted" else OLD)

    def teardown(self) -> None:
        self.world.up = True
        self._says(resumed(self.world.current))
        finish(self.world)
        self.who_is_taken_back_answers_nobody()
        self.no_step_is_skipped()
        self.steps_follow_one_another()
        self.no_step_is_undecided_twice()
        if not self.person and not self._stood_by_too_late():
            finish(self.same)
            assert outcome(self.world) == outcome(self.same)

    def _stood_by_too_late(self) -> bool:
        """Its time was over before a service sent copies, so that nothing was seen on standby."""
        phases = [one.phase for one in self.world.history]
        return any(isinstance(one, Withdrawing) and "could not stand by in time" in one.why for one in phases)


def finish(world: World) -> None:
    for _ in range(60):
        if not world.current.open:
            return
        turn(OneDoor(world), world.current)
        world.time += timedelta(minutes=1)
    raise AssertionError(f"it never ends: {world.current}")


def outcome(world: World) -> tuple[Any, ...]:
    """Where it ended, and by which steps."""
    phase = world.current.phase
    assert isinstance(phase, Ended)
    visited = tuple(dict.fromkeys((one.step, one.share) for one in world.current.stretches))
    return phase.result, world.alias, world.table, visited


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def test_the_reference_ends_as_it_should() -> None:
    """Without anybody who dies: each kind of end comes about."""
    expected: dict[tuple[Strategy, int | None], str] = {
        ("canary", None): "promoted",
        ("canary", 1): "aborted",
        ("shadow", 0): "aborted",
        ("blue-green", None): "promoted",
        ("replace", None): "promoted",
    }
    for (strategy, bad_at), result in expected.items():
        world = World(RolloutPolicy(strategy=strategy, steps=STEPS), bad_at)
        finish(world)
        assert outcome(world)[0] == result


@pytest.mark.parametrize(
    ("thin", "undecided", "result", "visited"),
    [
        (Thin(1, "good"), "shadow", "promoted", ((0, 0.05), (1, 0.25), (1, 0.0), (2, 0.5))),
        (Thin(1, "good", for_ever=True), "shadow", "undecided", ((0, 0.05), (1, 0.25), (1, 0.0))),
        (Thin(0, "bad"), "shadow", "aborted", ((0, 0.05), (0, 0.0))),
        (Thin(0, "thin"), "shadow", "undecided", ((0, 0.05), (0, 0.0))),
        (Thin(0, "good"), "end", "undecided", ((0, 0.05),)),
    ],
)
def test_an_undecided_step_goes_on_as_copies_or_ends(
    thin: Thin, undecided: Any, result: str, visited: tuple[tuple[int, float], ...]
) -> None:
    policy = RolloutPolicy(steps=STEPS, patience=300.0, undecided=undecided)
    world = World(policy, None, thin=thin)
    finish(world)
    assert outcome(world) == (result, NEW if result == "promoted" else OLD, Table(), visited)


@pytest.mark.parametrize(
    ("bad_after", "convicts", "quality", "end"),
    [
        (False, False, None, ("promoted", NEW)),
        (True, False, None, ("rolled back", OLD)),
        (False, True, 0.02, ("rolled back", OLD)),
        (False, False, 0.02, ("promoted", NEW)),
    ],
)
def test_a_predecessor_stands_by_after_the_switch(
    bad_after: bool, convicts: bool, quality: float | None, end: tuple[str, int]
) -> None:
    policy = RolloutPolicy(strategy="blue-green", standby=180.0, quality=quality)
    world = World(policy, None, convicts=convicts, bad_after=bad_after)
    finish(world)
    assert outcome(world) == (*end, Table(), ((0, 0.0), (1, 0.0)))
    assert Table(shadow=OLD) in world.tables
    phases = [type(one.phase) for one in world.history]
    assert (Owing in phases) == (quality is not None and not bad_after)


def test_a_person_ends_the_standby_and_a_third_champion_ends_it_too() -> None:
    def standing_by() -> World:
        world = World(RolloutPolicy(strategy="blue-green", standby=1e6), None)
        while not isinstance(world.current.phase, Standby) or not world.current.phase.opened:
            turn(OneDoor(world), world.current)
        return world

    said = standing_by()
    assert said.append(stepped(said.current, said.time), None)
    finish(said)
    assert outcome(said)[:3] == ("promoted", NEW, Table())
    third = standing_by()
    third.alias = 3
    finish(third)
    assert outcome(third)[:3] == ("superseded", 3, Table())


@pytest.mark.parametrize("quality", [None, 0.02])
def test_who_cannot_stand_by_is_waited_for_no_longer_than_it_was_to_stand_by(quality: float | None) -> None:
    """A version that answers for a share by hand keeps copies from being sent; a pause holds the end."""
    world = World(RolloutPolicy(strategy="blue-green", standby=180.0, quality=quality), None, hampered=True)
    while not isinstance(world.current.phase, Standby):
        turn(OneDoor(world), world.current)
    world.time += timedelta(seconds=179)
    assert "by hand" in turn(OneDoor(world), world.current).waiting
    world.time += timedelta(seconds=1)
    assert world.append(paused(world.current, "ada", "lunch", world.time), None)
    assert "by hand" in turn(OneDoor(world), world.current).waiting
    assert world.append(resumed(world.current), None)
    turn(OneDoor(world), world.current)
    phase = world.current.phase
    assert isinstance(phase, Withdrawing)
    assert phase.why.endswith("its predecessor could not stand by in time: a third answers by hand")
    finish(world)
    assert outcome(world)[:3] == ("promoted", NEW, Table())
    assert (Owing in [type(one.phase) for one in world.history]) == (quality is not None)


def test_labels_convict_who_was_promoted_without_them() -> None:
    world = World(RolloutPolicy(steps=STEPS, quality=0.02), None, convicts=True)
    finish(world)
    assert outcome(world) == ("rolled back", OLD, Table(), tuple(enumerate(STEPS)))
    assert any(isinstance(one.phase, Owing) for one in world.history)


def test_a_rollout_that_cannot_be_loaded_asks_nobody() -> None:
    world = World(RolloutPolicy(steps=STEPS), None, loads=False)
    finish(world)
    assert outcome(world) == ("aborted", OLD, Table(), ())
    assert any(isinstance(one.phase, Withdrawing) for one in world.history)
    assert not any(isinstance(one.phase, Opening) and one.stretches for one in world.history)
