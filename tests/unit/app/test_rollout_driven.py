"""Rollouts from the log to their end: what harms is named within the evidence that theory needs, labels convict late, copies judge,
and an undecided canary goes on as a shadow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from noria.app.rollback import rollback
from noria.app.rollouts import door, look
from noria.app.rollouts.driver import Driver
from noria.app.rollouts.rehearse import logged_rows
from noria.cli.rollout_shown import lines_of
from noria.graph.errors import BadLoss
from noria.records.rollouts import Came, Ended, Opening, Owing, RolloutPolicy, Standby, Watching
from noria.rollout.judge import part_of
from noria.rollout.machine import Table
from noria.statistics.rates import Stretch, rate_verdict
from unit.app.driven_world import NEW, OLD, World, world
from unit.app.stored import START

POLICY = RolloutPolicy(steps=(0.5,), units=40, margin=0.03, latency_ms=30.0)
A_LOOK = 200  # units
DAYS = [START - timedelta(days=day) for day in range(13)]  # labels of the last one may still come


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with world(tmp_path, monkeypatch) as made:
        yield made


def events_that_theory_needs(policy: RolloutPolicy) -> int:
    """Events, all the challenger's, until the tolerated ratio is refuted at half of the traffic (or of copies)."""
    convicting = (
        n
        for n in range(1, 100)
        if rate_verdict([Stretch(n, 0, 0.5)], margin=policy.ratio, alpha=part_of(policy) / 2.0) == "worse"
    )
    return next(convicting)


@pytest.mark.parametrize("strategy", ["canary", "shadow"])
@pytest.mark.parametrize(
    ("metric", "sick"),
    [("errors", {"failing": 0.02}), ("slow", {"slow": 0.02}), ("slow", {"slow": 1.0})],
    ids=["2 % fail", "2 % take twice as long", "all take twice as long"],
)
def test_a_sick_challenger_is_taken_back_and_its_sickness_named(
    here: World, strategy: Any, metric: str, sick: dict[str, float]
) -> None:
    policy = msgspec.structs.replace(POLICY, strategy=strategy, margin=0.001)
    here.begin(policy)
    here.drive(Watching)
    while not isinstance(here.rollout.phase, Ended):
        assert here.asked < 4_000
        here.ask(A_LOOK, **sick)
        here.drive()
    ended, judged = here.rollout.phase, here.rollout.judged
    assert (ended.result, ended.why[: len(metric) + 7]) == ("aborted", f"{metric}: worse")
    assert judged is not None
    found = judged.of(metric)
    assert found is not None
    assert found.events[1] == 0
    needed = events_that_theory_needs(policy)
    assert (
        needed <= found.events[0] <= needed + 2 * A_LOOK * sum(sick.values())
    )  # at the first look after that
    assert (here.table, here.champion) == (Table(), OLD)


STANDBY = RolloutPolicy(
    strategy="blue-green", undecided="switch", units=40, margin=0.03, latency_ms=30.0, standby=600.0
)


@pytest.mark.parametrize(
    ("metric", "sick"), [("errors", {"failing": 0.02}), ("slow", {"slow": 1.0})], ids=["2 % fail", "all slow"]
)
def test_who_is_sick_only_once_it_answers_for_real_is_taken_back_by_its_predecessor_on_standby(
    here: World, metric: str, sick: dict[str, float]
) -> None:
    here.begin(msgspec.structs.replace(STANDBY, margin=0.001))
    here.drive(Watching)
    here.ask(100)
    assert isinstance(here.drive(Standby), Standby)
    here.drive()
    assert (here.champion, here.table) == (NEW, Table(shadow=OLD))
    before = here.asked
    while not isinstance(here.rollout.phase, Ended):
        assert here.asked < 4_000
        here.ask(A_LOOK, **sick)
        here.drive()
    ended, judged = here.rollout.phase, here.rollout.judged
    assert (ended.result, ended.why[: len(metric) + 7]) == ("rolled back", f"{metric}: worse")
    assert (here.champion, here.rollout.stretches[-1].until is not None) == (OLD, True)
    found = judged.of(metric) if judged else None
    assert found is not None and judged is not None
    assert (found.events[1], judged.of("slow" if metric == "errors" else "errors").verdict) != (0, "worse")  # type: ignore[union-attr]
    assert found.events[0] <= events_that_theory_needs(here.rollout.policy) + 2 * A_LOOK * sum(sick.values())
    assert found.units[0] <= here.asked - before, "what was counted before the switch counts no more"


def test_who_stays_well_beside_its_predecessor_on_standby_stays(here: World) -> None:
    here.begin(STANDBY)
    here.drive(Watching)
    here.ask(100, failing=0.01)
    here.drive(Standby)
    here.drive()
    while isinstance(here.rollout.phase, Standby):
        assert here.asked < 4_000
        here.ask(A_LOOK)
        here.drive()
    here.drive(Ended)
    ended = here.rollout.phase
    assert isinstance(ended, Ended)
    assert (ended.result, here.champion, here.table) == ("promoted", NEW, Table())
    assert "nothing worse beside its predecessor on" in ended.why


def test_a_look_at_it_on_standby_says_nothing_of_labels_from_before_the_switch(here: World) -> None:
    here.begin(msgspec.structs.replace(STANDBY, quality=0.1, standby=1e6))
    here.drive(Watching)
    here.label(here.ask(1_500, answer=0.12, days=DAYS))
    here.drive(Standby)
    before = here.rollout.judged
    assert before is not None and before.labelled
    here.drive()
    here.ask(50)
    seen = look.standing(here.app, here.rollout)
    assert seen.judged is not None
    assert (seen.judged.here, seen.judged.labelled, seen.judged.waiting, seen.waiting) == (50, 0, 100, "")


def test_a_look_tells_what_labels_say_now_and_not_at_the_last_change(here: World) -> None:
    here.begin(msgspec.structs.replace(POLICY, quality=0.1, labels="wait", bake=1e6))
    here.drive(Watching)
    keys = here.ask(1_500, answer=0.12, days=DAYS)
    assert here.drive() == Watching(step=0)
    here.label(keys)
    seen = look.standing(here.app, here.rollout)
    assert here.rollout.judged is None and seen.judged is not None
    quality = seen.judged.of("quality")
    assert quality is not None and quality.verdict == "not worse"
    assert seen.judged.labelled + seen.judged.waiting == 1_500
    assert seen.judged.labelled > 1_000


def test_a_look_at_one_that_owes_labels_tells_of_them_beside_what_promoted_it(here: World) -> None:
    here.begin(msgspec.structs.replace(POLICY, quality=0.1))
    here.drive(Watching)
    keys = here.ask(1_500, answer=0.12, days=DAYS)
    here.drive(Owing)
    here.label(keys)
    then, seen = here.rollout.judged, look.standing(here.app, here.rollout).judged
    assert then is not None and seen is not None
    assert (then.labelled, seen.of("errors"), seen.here) == (0, then.of("errors"), then.here)
    assert seen.labelled > 1_000
    assert seen.of("quality").verdict == "not worse"  # type: ignore[union-attr]


def test_a_look_promises_no_more_units_than_there_are(here: World) -> None:
    """Sixty customers, each of whom comes ten times."""
    here.begin(msgspec.structs.replace(POLICY, margin=0.001))
    here.drive(Watching)
    for _ in range(10):
        here.asked = 0
        here.ask(60)
        here.drive()
    seen = look.standing(here.app, here.rollout)
    assert seen.judged is not None
    assert seen.judged.came == Came(units=60, again=60, later=0)
    (line,) = [line for line in lines_of(seen) if line.startswith("errors")]
    assert line.endswith("more units than come: 60 came so far, 60 of them again")
    here.ask(600)
    judged = look.standing(here.app, here.rollout).judged
    assert judged is not None and judged.came.units == 660
    assert judged.of("errors").needed is not None  # type: ignore[union-attr]


def test_a_look_shows_the_rest_where_labels_cannot_be_scored(
    here: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.begin(msgspec.structs.replace(POLICY, quality=0.1))
    here.drive(Watching)
    here.label(here.ask(100, days=DAYS))

    def broken(*_: object) -> None:
        raise BadLoss(step="loss", problem="knows no such unit")

    monkeypatch.setattr(door, "losses_of", broken)
    seen = look.standing(here.app, here.rollout)
    assert seen.judged is not None
    assert ("no such unit" in seen.waiting, seen.judged.of("quality")) == (True, None)
    assert sum(seen.judged.of("errors").units) == 100  # type: ignore[union-attr]


@pytest.mark.parametrize("again", [False, True], ids=["one driver", "another one since the switch"])
def test_labels_on_standby_are_judged_by_the_loss_of_the_version_and_not_of_its_predecessor(
    here: World, again: bool
) -> None:
    here.begin(msgspec.structs.replace(STANDBY, quality=0.1))
    here.drive(Watching)
    here.label(here.ask(100, days=DAYS))
    here.drive(Standby)
    here.drive()
    if again:
        here.driver.close()
        here.driver = Driver(here.app, "delay")
    here.label(here.ask(1_500, answer=0.9, days=DAYS))
    ended = here.drive()
    assert isinstance(ended, Ended)
    assert (ended.result, here.champion) == ("rolled back", OLD)
    assert ended.why.startswith("quality: worse, loss 0.8 ")
    version = here.app.records.versions.version("delay", NEW)
    assert version is not None
    assert {*here.app.roots} == {here.app.code(version.code)}


def test_labels_that_come_after_the_promotion_convict_it(here: World) -> None:
    here.begin(msgspec.structs.replace(POLICY, quality=0.1))
    here.drive(Watching)
    keys = here.ask(1_500, answer=0.9, days=DAYS)
    assert isinstance(here.drive(Owing), Owing)
    assert here.champion == NEW
    here.ask(50)  # whoever asks the new champion says nothing of the rollout
    assert isinstance(here.drive(), Owing)
    here.label(keys)
    ended = here.drive(Ended)
    assert isinstance(ended, Ended)
    assert ended.result == "rolled back"
    assert ended.why.startswith("quality: worse, loss 0.8 ")
    assert here.champion == OLD
    moves = [change for _, change in here.app.records.ledger.events("delay", kinds=("alias.moved",))]
    assert moves[-1].why == f"rollout delay/r1, by its labels: {ended.why}"  # type: ignore[union-attr]
    assert [move.forth for move in moves[-2:]] == [True, False]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("moves", "back", "ends"),
    [
        ((), OLD, "rolled back"),
        ((3,), NEW, None),
        ((3, 4), 3, "superseded"),
    ],
    ids=["to its predecessor", "to itself", "to a third one"],
)
@pytest.mark.parametrize("standby", [0.0, 600.0], ids=["owing", "on standby"])
def test_a_rollback_convicts_only_what_it_takes_back(
    here: World, moves: tuple[int, ...], back: int, ends: str | None, standby: float
) -> None:
    """After the switch the alias may have been moved by hand before a driver looked."""
    here.register(3, 4)
    here.begin(msgspec.structs.replace(STANDBY, quality=0.1, standby=standby))
    here.drive(Watching)
    here.ask(100, days=DAYS)
    before = here.drive(Standby if standby else Owing)
    for number in moves:
        here.name(number)
    done = rollback(here.app, "delay", by="ada")
    assert (done.moved.after, here.champion) == (back, back)
    if ends is None:
        assert (done.rollout, here.rollout.phase) == (None, before)
    else:
        assert done.rollout is not None
        phase = here.drive(Ended) if here.rollout.open else here.rollout.phase
        assert isinstance(phase, Ended) and phase.result == ends


def test_labels_that_say_nothing_bad_keep_it(here: World) -> None:
    here.begin(msgspec.structs.replace(POLICY, quality=0.1))
    here.drive(Watching)
    keys = here.ask(1_500, answer=0.12, days=DAYS)
    here.drive(Owing)
    here.label(keys)
    ended = here.drive(Ended)
    assert isinstance(ended, Ended)
    assert (ended.result, here.champion) == ("promoted", NEW)
    assert ended.why.startswith("quality: not worse, loss 0.02 ")


def test_rows_of_one_day_are_compared_within_the_share_at_which_they_were_asked(here: World) -> None:
    """Versions nearly alike. What was asked at 5 % was easy, what was asked at 50 % hard: most of the challenger's rows are hard ones."""
    here.begin(msgspec.structs.replace(POLICY, steps=(0.05, 0.5), quality=0.1))
    here.drive(Watching)
    easy = here.ask(1_500, answer=0.12, days=DAYS)
    assert here.drive(Opening) == Opening(step=1)
    here.drive(Watching)
    hard = here.ask(1_500, answer=0.08, days=DAYS)
    here.drive(Owing)
    here.label(easy)
    here.label(hard, late=True)
    ended = here.drive(Ended)
    assert isinstance(ended, Ended)
    assert ended.why.startswith("quality: not worse, loss 0.02 ")


def test_an_undecided_canary_is_judged_by_copies_alone_and_tried_again(here: World) -> None:
    """Few units come in the time; then many copies, of which one fails, and after them many units."""
    here.begin(msgspec.structs.replace(POLICY, patience=3600.0, undecided="shadow", quality=0.1))
    here.drive(Watching)
    here.ask(30)
    here.drive()
    here.clock.advance(timedelta(hours=1))
    here.drive()
    assert "step 1 of 1, 50 % of the units, was undecided (errors: undecided" in _last_event(here)
    assert here.drive(Watching) == Watching(step=0, copies=True)
    assert here.table == Table(shadow=NEW)
    here.ask(1, failing=1.0)
    here.ask(1_200)
    seen = look.standing(here.app, here.rollout)
    assert seen.judged is not None
    assert (seen.judged.here, seen.judged.labelled) == (1_201, 0)
    assert seen.judged.took[0][1].estimate == seen.judged.took[1][1].estimate == 20.0
    here.drive()
    judged = here.rollout.judged
    assert judged is not None
    assert judged.standings[0].units == (1_201, 1_201)
    assert judged.standings[0].events == (1, 0)
    assert here.drive(Watching) == Watching(step=0)
    assert here.table == Table(challenger=NEW, share=0.5)
    here.ask(2_500)
    here.drive(Owing)
    assert here.champion == NEW
    judged = here.rollout.judged
    assert judged is not None
    assert sum(judged.standings[0].units) == 2_530  # the canary's own, of both attempts
    assert judged.standings[0].events == (0, 0)


def _last_event(here: World) -> str:
    changes = [change for _, change in here.app.records.ledger.events("delay", kinds=("rollout.moved",))]
    return changes[-1].why  # type: ignore[union-attr]


@pytest.mark.parametrize("strategy", ["canary", "shadow"])
def test_a_way_back_to_who_has_just_been_promoted_is_tried_on_what_it_answered_before(
    here: World, strategy: Any
) -> None:
    """It has not answered as the champion yet."""
    here.begin(msgspec.structs.replace(POLICY, strategy=strategy))
    here.drive(Watching)
    here.ask(100)
    promoted = here.app.records.versions.version("delay", NEW)
    assert promoted is not None
    rows = logged_rows(here.app, promoted)
    assert rows is not None and rows.num_rows == 32
    assert set(rows.column("way").to_pylist()) == {strategy}
