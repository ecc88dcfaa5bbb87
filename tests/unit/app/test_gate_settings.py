"""`[model.x.gates]`: every gate, and what is wrong with each, by line."""

import pytest

from noria.app.config import BadPolicy, parse_policy
from noria.records.gates import (
    Approved,
    Better,
    Calibration,
    Cost,
    Expectation,
    Gate,
    NoWorse,
    Reproducible,
    Robustness,
    Schema,
    Threshold,
)

HEAD = '[model.delay]\npipeline = "pipeline:delay"\n[model.delay.gates]\n'


def gates(text: str) -> tuple[Gate, ...]:
    return parse_policy(HEAD + text, file="noria.toml").models[0].gates


def faults(text: str) -> list[str]:
    with pytest.raises(BadPolicy) as caught:
        parse_policy(HEAD + text, file="noria.toml")
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "gate"),
    [
        ('loss = { better_than = "champion", by = 0.1 }', Better(metric="loss", by=0.1)),
        ('loss = { better_than = "delay:3", alpha = 0.1 }', Better(metric="loss", than="delay:3", alpha=0.1)),
        (
            'loss = { no_worse_than = "champion", margin = 1, segments = ["carrier"], anchor_margin = 2 }',
            NoWorse(metric="loss", margin=1.0, segments=("carrier",), anchor_margin=2.0),
        ),
        ('loss = { no_worse_than = "challenger" }', NoWorse(metric="loss", than="challenger")),
        ('loss = { no_worse_than = "champion", anchor = false }', NoWorse(metric="loss", anchor=False)),
        ("calibration = { at_most = 0.02 }", Calibration(at_most=0.02)),
        ("latency_p50_ms = { at_most = 3 }", Cost(measure="latency_p50_ms", at_most=3.0)),
        ("memory_mb = { at_most = 500 }", Cost(measure="memory_mb", at_most=500.0)),
        ("robustness = { missing = 0.05, at_most = 0.1 }", Robustness(missing=0.05, at_most=0.1)),
        ('schema = "same"', Schema(least="same")),
        ('schema = "off"', Schema(least="off")),
        ('expectations = "off"', Expectation(off=True)),
        ('approval = "required"', Approved()),
        ('reproducible = "tolerance"', Reproducible(least="tolerance")),
        ("reproducible = { at_least = 1 }", Threshold(metric="reproducible", at_least=1.0)),
    ],
)
def test_each_gate_is_read(text: str, gate: Gate) -> None:
    assert gates(text) == (gate,)


def test_several_comparisons_stand_in_a_list_and_what_takes_longest_comes_last() -> None:
    found = gates(
        'approval = "required"\nloss = [{ no_worse_than = "champion" }, { better_than = "base" }]\nschema = "same"'
    )
    assert [type(gate) for gate in found] == [NoWorse, Better, Schema, Approved]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('loss = { no_worse_than = "fare:3" }', '"delay:3"'),
        ('loss = { no_worse_than = "anchor" }', "must be an alias"),
        ('loss = { no_worse_than = "champion", better_than = "champion" }', "write a list of two tables"),
        ('loss = { no_worse_than = "base", anchor = true }', "belongs to a comparison with the champion"),
        ('loss = { no_worse_than = "champion", anchor = false, anchor_margin = 1 }', "does nothing"),
        ('loss = { no_worse_than = "champion", segments = "carrier" }', 'write ["column", "another"]'),
        ('loss = { no_worse_than = "champion", segments = ["a", "a"] }', "more than once"),
        ('loss = { better_than = "champion", margin = 1 }', "margin is not a setting"),
        ("loss = []", "or a list of such"),
        ("calibration = 0.02", "{ at_most = 0.02 }"),
        ("calibration = {}", "at_most is missing"),
        ("latency_p99_ms = { at_least = 3 }", "at_most is missing"),
        ("memory_mb = { at_most = 0 }", "over 0"),
        ("robustness = { at_most = 0.1 }", "perturbs nothing"),
        ("robustness = { missing = 1, at_most = 0.1 }", "from 0 to under 1"),
        ('schema = "loose"', '"compatible", "same" or "off"'),
        ("schema = { least = 1 }", '"compatible", "same" or "off"'),
        ("approval = true", "not text in quotes"),
        ('approval = "optional"', 'must be "required"'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, told: str) -> None:
    found = faults(text)
    assert any(told in fault for fault in found), found
    assert all("line 4" in fault for fault in found), found
