"""Which gates a candidate meets, and who is the anchor."""

from datetime import timedelta

from noria.app.judging.approve import waits
from noria.app.judging.asked import anchor_of, with_anchor, with_standing_gates
from noria.app.keeping import Past, kept
from noria.records.events import AliasMoved
from noria.records.gates import Expectation, Judgement, NoWorse, Schema, Threshold, Verdict
from noria.records.policy import KeepPolicy
from noria.testing.samples import NOON, a_version


def moved(after: int | None, by: str, alias: str = "champion", before: int | None = None) -> AliasMoved:
    return AliasMoved(model="delay", alias=alias, before=before, after=after, why="", by=by)


def test_what_stands_by_itself_can_be_turned_off() -> None:
    auc = Threshold(metric="auc", at_least=0.5)
    assert with_standing_gates([auc]) == [auc, Schema(served=True), Expectation()]
    assert with_standing_gates([auc, Schema(least="off"), Expectation(off=True)]) == [auc]
    assert with_standing_gates([Schema(least="same")]) == [Schema(least="same"), Expectation()]


def test_the_anchor_is_met_beside_the_champion_alone() -> None:
    champion, other = NoWorse(metric="loss", margin=0.1, segments=("a",)), NoWorse(metric="loss", than="base")
    wide, without = NoWorse(metric="loss", anchor_margin=0.3), NoWorse(metric="loss", anchor=False)
    assert list(with_anchor([champion, other], None)) == [champion, other]
    met = [gate for gate in with_anchor([champion, other, wide, without], 3) if isinstance(gate, NoWorse)]
    assert [(gate.than, gate.margin, gate.segments) for gate in met] == [
        ("champion", 0.1, ("a",)),
        ("anchor", 0.1, ("a",)),
        ("base", 0.0, ()),
        ("champion", 0.0, ()),
        ("anchor", 0.3, ()),
        ("champion", 0.0, ()),
    ]


def test_gates_move_no_anchor_and_people_do() -> None:
    assert anchor_of([]) is None
    by_gates = [moved(1, "gates"), moved(2, "gates"), moved(9, "ada", alias="challenger")]
    assert anchor_of(by_gates) == 1
    assert anchor_of([*by_gates, moved(3, "ada"), moved(4, "gates"), None, moved(None, "ada")]) == 3


def test_a_persons_choice_that_a_rollout_takes_back_is_no_anchor() -> None:
    chosen = [moved(1, "ada"), moved(2, "gates", before=1), moved(3, "ada", before=2)]
    assert anchor_of(chosen) == 3
    assert anchor_of([*chosen, moved(2, "rollout", before=3)]) == 1
    assert anchor_of([*chosen, moved(4, "gates", before=3), moved(3, "rollout", before=4)]) == 3


def test_a_collection_keeps_the_anchor() -> None:
    moves = [(NOON, moved(number, "gates")) for number in (1, 2, 3)]
    versions = [a_version(number, run=number) for number in (4, 3, 2, 1)]
    past = Past(model="delay", runs=(), versions=versions, aliases={"champion": 3}, moves=moves)
    found = kept(past, KeepPolicy(runs=0, seconds=0.0), NOON + timedelta(days=400)).versions
    assert "anchor" in found[1] and set(found) == {1, 2, 3, 4}  # 2: a rollback goes there, 4: the newest


def test_only_what_lacks_nothing_but_a_word_waits_for_it() -> None:
    def judged(**outcomes: str) -> Judgement:
        verdicts = tuple(Verdict(gate=gate, outcome=outcome, why="") for gate, outcome in outcomes.items())  # type: ignore[arg-type]
        return Judgement(model="delay", version=1, champion=None, judged=NOON, verdicts=verdicts)

    assert waits(judged(auc="pass", approval="undecided"))
    assert not waits(judged(auc="fail", approval="undecided"))
    assert not waits(judged(auc="pass", approval="fail"))
    assert not waits(judged(auc="pass", approval="pass"))
    assert not waits(None)
