"""Which verdicts on a planted candidate are due to its fault."""

from typing import Any

import pytest
from msgspec.structs import replace

from noria.app.judging.drill import came_to, credited
from noria.app.judging.field import Field, Grown
from noria.gates.judge import Evidence, judge
from noria.records.drills import Plant
from noria.records.gates import Better, Gate, Judgement, NoWorse, Threshold
from noria.testing.samples import NOON, a_version
from unit.gates.test_judge import paired

VERSION = a_version(1)


def judged(*gates: Gate, rise: float, auc: float = 0.7) -> Judgement:
    """Beside delay:1 itself, on four weeks: each day's loss is higher by `rise`."""
    import numpy as np

    noise = np.random.default_rng(7).normal(0, 0.02, 28) if rise else np.zeros(28)
    evidence = Evidence(metrics={"auc": auc}, paired={"champion": paired(rise + noise)})
    return Judgement(model="delay", version=1, champion=1, judged=NOON, verdicts=judge(list(gates), evidence))


def planted(gate: Gate, *, rise: float, auc: float = 0.7) -> Plant:
    sound = credited(judged(gate, rise=0.0), VERSION)
    return came_to("a fault", Grown(VERSION), judged(gate, rise=rise, auc=auc), sound)


@pytest.mark.parametrize("gate", [NoWorse(metric="log_loss"), Better(metric="log_loss")])
def test_a_fault_that_changes_no_loss_is_missed_by_a_comparison_of_the_champion_with_itself(
    gate: Gate,
) -> None:
    assert planted(gate, rise=0.0).caught == "missed"


@pytest.mark.parametrize("gate", [NoWorse(metric="log_loss"), Better(metric="log_loss")])
def test_a_fault_that_makes_it_worse_is_caught_by_it(gate: Gate) -> None:
    assert planted(gate, rise=0.2).caught == "caught"


def test_what_cannot_be_decided_with_the_fault_and_can_without_holds_back() -> None:
    assert planted(NoWorse(metric="log_loss", margin=0.19), rise=0.2).caught == "held back"


def test_a_gate_that_fails_without_a_fault_counts_for_nothing() -> None:
    assert planted(Threshold(metric="auc", at_least=0.8), rise=0.0).caught == "missed"
    assert planted(Better(metric="log_loss", by=0.1), rise=0.2).caught == "missed"


def test_a_comparison_with_another_version_that_is_undecided_counts_for_nothing() -> None:
    control = judged(NoWorse(metric="log_loss"), rise=0.0)
    assert credited(control, replace(VERSION, number=2))["fail"] == frozenset()


def test_a_planted_candidate_has_the_number_of_the_one_without_a_fault() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("app", "policy", "gates", "resolved", "plan", "run", "recorded", "engine", "ready", "listener")
    )
    field = Field(version=VERSION, **nothing)
    assert field.with_code(VERSION, "slow").version.number == 1
