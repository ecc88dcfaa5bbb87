"""Gates that compare with nobody: calibration, cost, schema, robustness, expectations, approval."""

from dataclasses import replace as changed
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from msgspec.structs import replace

from noria.gates.calibration import Forecasts
from noria.gates.costs import Measured
from noria.gates.expectations import Changed
from noria.gates.judge import Evidence, judge
from noria.gates.paired import Paired
from noria.gates.robustness import Perturbed
from noria.gates.schema import breaking
from noria.records.artifacts import Column
from noria.records.expectations import Expected
from noria.records.gates import (
    Approval,
    Approved,
    Calibration,
    Cost,
    Expectation,
    Gate,
    Robustness,
    Schema,
    Threshold,
    Verdict,
)
from noria.records.versions import RequestColumn, Signature
from noria.testing.samples import a_version

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def one(gate: Gate, **evidence: object) -> Verdict:
    (verdict,) = judge([gate], Evidence(**evidence))  # type: ignore[arg-type]
    return verdict


def forecasts(bias: float) -> Forecasts:
    """Thirty days of probabilities that are too low by `bias`."""
    random = np.random.default_rng(3)
    said = random.uniform(0.2, 0.6, 9_000)
    happened = (random.random(9_000) < said + bias).astype(float)
    return Forecasts(said, happened, np.repeat(np.arange(30), 300), "1d")


@pytest.mark.parametrize(
    ("bias", "at_most", "outcome"), [(0.0, 0.05, "pass"), (0.15, 0.05, "fail"), (0.05, 0.05, "undecided")]
)
def test_calibration_goes_by_the_band(bias: float, at_most: float, outcome: str) -> None:
    verdict = one(Calibration(at_most=at_most), forecasts=forecasts(bias))
    assert verdict.outcome == outcome, verdict.why
    assert verdict.evidence["lower"] <= verdict.evidence["upper"]
    assert len(verdict.evidence["bins"]) == 5


def over(days: int, bias: float) -> Forecasts:
    few = forecasts(bias)
    first = slice(300 * days)
    return changed(
        few, probabilities=few.probabilities[first], happened=few.happened[first], blocks=few.blocks[first]
    )


def test_five_days_cannot_fail_a_calibration_and_one_can_pass_none() -> None:
    verdict = one(Calibration(at_most=0.05), forecasts=over(1, 0.3))
    assert (verdict.outcome, verdict.evidence["lower"], verdict.evidence["upper"]) == ("undecided", 0.0, 1.0)
    assert one(Calibration(at_most=0.9), forecasts=over(1, 0.0)).outcome == "undecided"
    verdict = one(Calibration(at_most=0.05), forecasts=over(5, 0.3))
    assert (verdict.outcome, verdict.evidence["lower"], verdict.evidence["blocks"]) == ("undecided", 0.0, 5)
    assert one(Calibration(at_most=0.2), forecasts=over(5, 0.0)).outcome == "pass"
    assert one(Calibration(at_most=0.05), forecasts=over(10, 0.3)).outcome == "fail"


def test_a_cost_is_held_to_its_limit_and_says_how_it_was_measured() -> None:
    found = Measured({"latency_p99_ms": 12.5, "memory_mb": 90.0}, "the least of 5 rounds", {"p99_ms": [12.5]})
    assert one(Cost(measure="latency_p99_ms", at_most=20), costs=found).outcome == "pass"
    slow = one(Cost(measure="latency_p99_ms", at_most=10), costs=found)
    assert (slow.outcome, slow.why) == ("fail", "12.5 ms is over 10: the least of 5 rounds")
    assert one(Cost(measure="size_mb", at_most=10), costs=found).outcome == "undecided"
    assert one(Cost(measure="memory_mb", at_most=1), costs="no worker").why == "no worker"


def test_a_metric_that_is_nan_passes_no_threshold() -> None:
    assert one(Threshold(metric="auc", at_least=0.5), metrics={"auc": float("nan")}).outcome == "fail"


def signature(**columns: str) -> Signature:
    return Signature(
        request=tuple(RequestColumn(name=name, type=kind) for name, kind in columns.items()),
        answer=(Column(name="answer", type="double"),),
    )


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (signature(a="double", b="int64", c="string"), ["requests must have a new column c (string)"]),
        (signature(a="double"), ["requests may not have b any more"]),
        (signature(a="string", b="int64"), ["a must be string, before double"]),
        (signature(a="double", b="int32"), ["b must be int32, before int64"]),
        (signature(a="double", b="double"), ["b must be double, before int64"]),  # 2^53 + 1 is no double
        (signature(a="double", b="int64"), []),
    ],
)
def test_what_breaks_callers_is_named(now: Signature, told: list[str]) -> None:
    assert list(breaking(signature(a="double", b="int64"), now)) == told


def strict(name: str = "a", *, nulls: bool = False, levels: tuple[str, ...] | None = None) -> Signature:
    column = RequestColumn(name=name, type="string", nulls=nulls, levels=levels)
    return replace(signature(), request=(column,), unknown="refuse")


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (strict(nulls=True), strict(), ["a may not be null any more"]),
        (strict(), strict(nulls=True), []),
        (strict(levels=("AA", "UA", "WN")), strict(levels=("UA",)), ["a may not be AA, WN any more"]),
        (strict(levels=("UA",)), strict(levels=("AA", "UA")), []),
        (strict(levels=("UA",)), strict(), []),
        (strict(), strict(levels=("UA",)), ["a must be one of 1 categories, before any string"]),
    ],
)
def test_what_was_seen_before_and_would_be_refused_now_breaks_callers(
    before: Signature, now: Signature, told: list[str]
) -> None:
    assert list(breaking(before, now)) == told
    accepting = replace(now, unknown="accept")
    assert list(breaking(before, accepting)) == []


def test_a_wider_type_breaks_nobody_and_is_told() -> None:
    before = replace(a_version(1), signature=signature(a="int32"))
    candidate = replace(a_version(2), signature=signature(a="int64"))
    verdict = one(Schema(), candidate=candidate, champion=before)
    assert (verdict.outcome, "a takes int64, before int32" in verdict.why) == ("pass", True)
    assert one(Schema(least="same"), candidate=candidate, champion=before).outcome == "fail"


def test_by_default_a_changed_schema_fails_once_the_champion_serves() -> None:
    before, now = (
        replace(a_version(1), signature=signature(a="int32")),
        replace(a_version(2), signature=signature(b="int32")),
    )
    usual = Schema(served=True)
    quiet = one(usual, candidate=now, champion=before)
    assert quiet.outcome == "pass" and "once one does" in quiet.why and "new column b" in quiet.why
    assert one(usual, candidate=now, champion=before, served=True).outcome == "fail"
    assert judge([usual], Evidence(candidate=replace(now, signature=before.signature), champion=before)) == ()


def perturbed(rise: float) -> Perturbed:
    differences = np.random.default_rng(2).normal(rise, 0.002, 14)
    paired = Paired("perturbed", differences, 500, 0, 0.2, 0.2, (0.0, 1.0), "1d")
    return Perturbed(paired, ("temp",), (), 0)


@pytest.mark.parametrize(("rise", "outcome"), [(0.001, "pass"), (0.05, "fail"), (0.02, "undecided")])
def test_robustness_goes_by_the_rise_of_the_loss(rise: float, outcome: str) -> None:
    verdict = one(Robustness(at_most=0.02, noise=0.01), perturbed=perturbed(rise))
    assert verdict.outcome == outcome, verdict.why
    assert "noise of 0.01 sd on temp" in verdict.why


def test_what_gives_no_answer_to_perturbed_rows_is_not_robust() -> None:
    assert one(Robustness(at_most=0.02, missing=0.1), perturbed="it raised").outcome == "fail"
    nothing = changed(perturbed(0.0), noisy=())
    assert one(Robustness(at_most=0.02, missing=0.1), perturbed=nothing).outcome == "undecided"


def answers(before: list[float], after: list[float]) -> Changed:
    keys = pl.DataFrame({"id": [f"r{n}" for n in range(len(before))]})
    return Changed(
        keys.to_arrow(),
        pl.DataFrame({"answer": before}).to_arrow(),
        pl.DataFrame({"answer": after}).to_arrow(),
        len(before),
    )


@pytest.mark.parametrize(
    ("asked", "after", "failing"),
    [
        (Expected(name="x", holds="invariant", within=0.01), [0.105, 0.2], 0),
        (Expected(name="x", holds="invariant", within=0.01), [0.2, 0.2], 1),
        (Expected(name="x", holds="not lower"), [0.05, 0.3], 1),
        (Expected(name="x", holds="not lower"), [0.1, 0.3], 0),
        (Expected(name="x", holds="not higher"), [0.05, 0.3], 1),
        (Expected(name="x", holds="not higher", share=0.5), [0.05, 0.3], 1),
        (Expected(name="x", holds="not higher"), [float("nan"), 0.1], 1),
        (Expected(name="x", holds="not lower"), [float("nan"), 0.3], 1),
    ],
)
def test_expectations_count_the_rows_that_break_them(
    asked: Expected, after: list[float], failing: int
) -> None:
    verdict = one(Expectation(), expected=[(asked, answers([0.1, 0.2], after))])
    assert verdict.evidence["failing"] == failing
    assert verdict.outcome == ("fail" if failing > (1 - asked.share) * 2 else "pass")


def test_rows_that_were_not_changed_do_not_make_up_for_those_that_break() -> None:
    asked = Expected(name="x", holds="invariant", share=0.9)
    found = changed(answers([0.1] * 20, [0.1] * 18 + [0.5] * 2), changed=2)  # both that were changed
    verdict = one(Expectation(), expected=[(asked, found)])
    assert verdict.outcome == "fail" and "2 of 20 rows (2 changed) break it" in verdict.why


def test_the_rows_that_break_an_expectation_are_shown_the_worst_first() -> None:
    verdict = one(
        Expectation(),
        expected=[(Expected(name="x", holds="not lower"), answers([0.5, 0.5, 0.5], [0.4, 0.5, 0.1]))],
    )
    assert verdict.gate == "expect x"
    assert verdict.evidence["shown"] == [
        {"key": "r2", "before": 0.5, "after": 0.1},
        {"key": "r0", "before": 0.5, "after": 0.4},
    ]
    assert "the worst, r2: 0.5 became 0.1" in verdict.why


def test_an_expectation_that_changes_nothing_or_cannot_be_asked_is_undecided() -> None:
    asked = Expected(name="x", holds="invariant")
    still = changed(answers([0.1], [0.1]), changed=0)
    assert one(Expectation(), expected=[(asked, still)]).outcome == "undecided"
    assert one(Expectation(), expected=[(asked, "it raised")]).outcome == "undecided"
    text = Changed(*(pl.DataFrame({"answer": ["a"]}).to_arrow() for _ in range(3)), 1)  # type: ignore[arg-type]
    assert one(Expectation(), expected=[(replace(asked, holds="not lower"), text)]).outcome == "undecided"
    assert one(Expectation(), expected=[(asked, text)]).outcome == "pass"


@pytest.mark.parametrize(("granted", "outcome"), [(True, "pass"), (False, "fail"), (None, "undecided")])
def test_a_persons_word_decides(granted: bool | None, outcome: str) -> None:
    word = (
        None
        if granted is None
        else Approval(model="delay", version=2, granted=granted, by="ada", why="looked", at=NOON)
    )
    verdict = one(Approved(), candidate=a_version(2), approval=word)
    assert verdict.outcome == outcome
    assert (
        ("ada" in verdict.why and "looked" in verdict.why) if word else "noria approve delay:2" in verdict.why
    )
