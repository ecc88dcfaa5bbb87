"""One step of a rollout at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from noria.records.base import canonical, parse
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
    Stretch,
    Watching,
    Withdrawing,
)
from noria.rollout import machine
from noria.rollout.copies import in_evidence
from noria.rollout.judge import part_of
from noria.rollout.words import phase_words

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
FINE = Observed(
    counted=(Counted(share=0.1, units=(5_000, 45_000)),),
    here=(5_000, 45_000),
    challenger=Firsts(units=5_000),
    champion=Firsts(units=45_000),
)
FEW = msgspec.structs.replace(FINE, here=(20, 180), challenger=Firsts(units=20), champion=Firsts(units=180))


def rollout(**policy: object) -> Rollout:
    wanted = RolloutPolicy(**({"steps": (0.1,), "undecided": "shadow"} | policy))  # type: ignore[arg-type]
    return Rollout(model="m", number=1, version=2, champion=1, policy=wanted, started=NOON, by="ada")


def watching(**policy: object) -> Rollout:
    opened = machine.rehearsed(rollout(**policy), Rehearsal(version=1, whole=True, same=True))
    return machine.opened(opened, NOON)


def test_low_traffic_passes_nothing_and_runs_out_of_patience() -> None:
    one = watching(patience=1800.0, undecided="end")
    assert machine.advance(one, FEW, NOON + timedelta(minutes=10)) is one
    tired = machine.advance(one, FEW, LATER)
    assert isinstance(tired.phase, Withdrawing)
    assert tired.phase.result == "undecided"
    assert "20 of 100 units" in tired.phase.why
    assert "needs" in tired.phase.why


def test_without_patience_it_waits_for_ever() -> None:
    one = watching()
    assert machine.advance(one, FEW, NOON + timedelta(days=365)) is one


def undecided(**policy: object) -> Rollout:
    """A canary of one step that went on as a shadow, at noon."""
    tired = machine.advance(watching(patience=1800.0, **policy), FEW, LATER)
    assert tired.phase == Opening(step=0, copies=True)
    assert "was undecided (errors: undecided" in phase_words(tired)
    return machine.opened(tired, NOON)


def test_an_undecided_canary_answers_copies_and_is_tried_again_after_a_verdict_there() -> None:
    shadow = undecided()
    assert machine.wanted(shadow) == machine.Table(shadow=2)
    assert machine.advance(shadow, FEW, NOON + timedelta(minutes=10)) is shadow
    again = machine.advance(shadow, FINE, NOON + timedelta(minutes=10))
    assert again.phase == Opening(step=0)
    assert machine.wanted(again).share == 0.1
    second = machine.advance(machine.opened(again, NOON), FEW, LATER)
    assert isinstance(second.phase, Withdrawing)  # a step is undecided twice at most
    assert second.phase.result == "undecided"


def test_copies_without_a_verdict_end_undecided_and_with_a_bad_one_aborted() -> None:
    tired = machine.advance(undecided(), FEW, LATER).phase
    failing = msgspec.structs.replace(FEW, counted=(Counted(share=0.0, units=(0, 200), failed=(30, 0)),))
    bad = machine.advance(undecided(), failing, NOON).phase
    assert isinstance(tired, Withdrawing)
    assert isinstance(bad, Withdrawing)
    assert (tired.result, bad.result) == ("undecided", "aborted")


def test_a_person_leads_copies_back_to_the_step_and_a_pause_holds_them() -> None:
    shadow = undecided()
    back = machine.stepped(shadow, LATER)
    assert back.phase == Opening(step=0)
    assert machine.leads_on(back)
    lost = machine.advance(shadow, msgspec.structs.replace(FEW, displaced=NOON), NOON)
    assert lost.phase == Opening(step=0, copies=True)
    assert not machine.leads_on(lost)


def test_canary_and_copies_count_for_themselves_and_share_the_budget() -> None:
    shadow = undecided()
    back = machine.opened(machine.stepped(shadow, LATER), LATER)
    assert [one.share for one in back.stretches] == [0.1, 0.0, 0.1]
    as_canary, as_copies = in_evidence(back), in_evidence(shadow)
    assert [one.share for one in as_canary.stretches] == [0.1, 0.1]
    assert (as_copies.policy.strategy, [one.share for one in as_copies.stretches]) == ("shadow", [0.0])
    assert part_of(shadow.policy) == part_of(watching(patience=1800.0, undecided="end").policy) / 2
    assert part_of(watching().policy) == part_of(watching(undecided="end").policy)


def test_the_last_step_bakes() -> None:
    one = watching(bake=3600.0)
    assert machine.advance(one, FINE, NOON + timedelta(minutes=59)) is one
    assert machine.advance(one, FINE, LATER).phase == Opening(step=1)
    assert machine.is_due(machine.advance(one, FINE, LATER))


def test_a_pause_holds_and_still_takes_back() -> None:
    held = machine.paused(watching(), "ada", "lunch", NOON)
    assert machine.advance(held, FINE, LATER) is held
    bad = msgspec.structs.replace(FINE, counted=(Counted(share=0.1, units=(5_000, 45_000), failed=(60, 0)),))
    assert isinstance(machine.advance(held, bad, LATER).phase, Withdrawing)
    assert machine.advance(machine.resumed(held), FINE, LATER).phase == Opening(step=1)


def test_a_crooked_split_ends_it() -> None:
    crooked = msgspec.structs.replace(FINE, counted=(Counted(share=0.1, units=(20_000, 30_000)),))
    ended = machine.advance(watching(), crooked, LATER)
    assert isinstance(ended.phase, Withdrawing)
    assert "routing itself is broken" in ended.phase.why


def test_another_table_closes_the_stretch_where_it_was_last_asked() -> None:
    lost = msgspec.structs.replace(FEW, displaced=NOON + timedelta(minutes=3))
    again = machine.advance(watching(), lost, LATER)
    assert again.phase == Opening(step=0)
    assert again.stretches == (Stretch(step=0, share=0.1, since=NOON, until=NOON + timedelta(minutes=3)),)
    assert machine.opened(again, LATER).stretches[-1].since == LATER


def test_who_is_promoted_without_labels_owes_them() -> None:
    due = machine.advance(watching(quality=0.02), FINE, LATER)
    owing = machine.promoted(due, LATER)
    assert isinstance(owing.phase, Owing)
    assert "not known yet: quality" in machine.reason(due)
    good = Observed(losses=Losses(differences=(-0.01, 0.012, -0.011) * 20))
    bad = Observed(losses=Losses(differences=(0.3, 0.25) * 20))
    assert machine.advance(owing, Observed(), LATER) is owing
    kept, back = machine.advance(owing, good, LATER).phase, machine.advance(owing, bad, LATER).phase
    assert isinstance(kept, Ended)
    assert isinstance(back, Ended)
    assert (kept.result, back.result) == ("promoted", "rolled back")


def test_it_may_wait_for_labels_instead() -> None:
    one = watching(quality=0.02, labels="wait")
    assert machine.advance(one, FINE, LATER) is one


def test_no_way_back_no_rollout() -> None:
    for bad in (
        Rehearsal(version=1, whole=False, problem="its objects are gone"),
        Rehearsal(version=1, whole=True, rows=32, same=False),
    ):
        assert isinstance(machine.rehearsed(rollout(), bad).phase, Withdrawing)


def test_blue_green_looks_at_copies_and_switches_on_verdicts_or_where_it_is_told_to_on_copies_alone() -> None:
    copies = msgspec.structs.replace(FEW, here=(150, 150), counted=(Counted(share=0.0, units=(0, 150)),))
    waits = rollout(strategy="blue-green", patience=60.0)
    waits = machine.opened(machine.rehearsed(waits, Rehearsal(version=1, whole=True)), NOON)
    assert machine.advance(waits, copies, NOON) is waits
    over = machine.advance(waits, copies, LATER).phase
    assert isinstance(over, Withdrawing)
    assert over.result == "undecided"
    first = rollout(strategy="blue-green", undecided="switch")
    one = machine.opened(machine.rehearsed(first, Rehearsal(version=1, whole=True)), NOON)
    assert machine.wanted(one) == machine.Table(shadow=2)
    due = machine.advance(one, copies, LATER)
    assert machine.is_due(due)
    assert machine.reason(due).endswith(": nothing worse in 150 copies; not known yet: errors")


def test_a_blue_green_from_before_the_setting_goes_on_as_it_began() -> None:
    """Its record has no word of what is undecided, and then such a rollout was promoted on copies alone; `end` is a word."""
    copies = msgspec.structs.replace(FEW, here=(150, 150), counted=(Counted(share=0.0, units=(0, 150)),))

    def looked_at(text: bytes) -> Rollout:
        first = msgspec.structs.replace(rollout(), policy=parse(text, RolloutPolicy))
        one = machine.opened(machine.rehearsed(first, Rehearsal(version=1, whole=True)), NOON)
        return machine.advance(one, copies, LATER)

    assert machine.is_due(looked_at(b'{"strategy":"blue-green"}'))
    told = canonical(RolloutPolicy(strategy="blue-green", undecided="end"))
    assert not machine.is_due(looked_at(told))
    assert not machine.is_due(looked_at(b'{"strategy":"shadow"}'))


def test_a_replacement_is_due_once_the_way_back_is_known() -> None:
    due = machine.rehearsed(rollout(strategy="replace"), Rehearsal(version=1, whole=True))
    assert machine.is_due(due)
    assert machine.wanted(due) == machine.Table()


def test_a_person_steps_and_aborts() -> None:
    due = machine.stepped(watching(), LATER)
    assert machine.is_due(due)
    assert isinstance(machine.aborted(due, "no", LATER).phase, Withdrawing)
    done = machine.settled(machine.aborted(due, "no", LATER), LATER)
    assert machine.aborted(done, "again", LATER) is done
    assert isinstance(done.phase, Ended)
    assert isinstance(watching().phase, Watching)


def test_a_person_skips_no_step() -> None:
    one = msgspec.structs.replace(watching(), policy=RolloutPolicy(steps=(0.1, 0.2, 0.5)))
    second = machine.opened(machine.stepped(one, LATER), LATER)
    assert (second.phase, machine.wanted(second).share) == (Watching(step=1), 0.2)
    assert machine.opened(machine.stepped(second, LATER), LATER).phase == Watching(step=2)
