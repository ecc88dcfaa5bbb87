"""`[model.x.rollout]`: every fault is told, with its line."""

from __future__ import annotations

import pytest

from noria.app.config import BadPolicy, parse_policy
from noria.records.base import canonical, parse
from noria.records.rollouts import RolloutPolicy
from noria.rollout.judge import part_of

MODEL = '[model.delay]\npipeline = "pipeline:delay"\n'


def policy(text: str) -> RolloutPolicy | None:
    return parse_policy(MODEL + text, file="noria.toml").models[0].rollout


def test_without_the_table_there_is_no_rollout() -> None:
    assert policy("") is None


def test_the_settings_of_a_rollout() -> None:
    text = (
        '[model.delay.rollout]\nstrategy = "canary"\nsteps = ["5%", 0.25, "50%"]\nfalse_alarm = 0.01\nunits = 500\n'
        'ratio = 1.5\nmargin = 0.005\nlatency_ms = 40\npredictions = 0.1\nquality = 0.02\nblock = "1h"\n'
        'labels = "wait"\nbake = "10m"\npatience = "2d"\n'
        'undecided = "end"\n'
    )
    assert policy(text) == RolloutPolicy(
        steps=(0.05, 0.25, 0.5),
        false_alarm=0.01,
        units=500,
        ratio=1.5,
        margin=0.005,
        latency_ms=40.0,
        predictions=0.1,
        quality=0.02,
        block="1h",
        labels="wait",
        bake=600.0,
        patience=172_800.0,
        undecided="end",
    )


def test_a_predecessor_may_stand_by_after_the_switch_of_a_blue_green_alone() -> None:
    """Both kinds of copies share the error budget."""
    text = '[model.delay.rollout]\nstrategy = "{}"\nstandby = "1h"\n'
    found = policy(text.format("blue-green"))
    assert found is not None and found.standby == 3600.0
    assert part_of(found) == 0.05 / 2 / 2
    for strategy in ("canary", "shadow", "replace"):
        with pytest.raises(BadPolicy, match="only after the switch of a blue-green"):
            policy(text.format(strategy))


def test_a_rollout_whose_record_knows_no_undecided_ends_and_is_judged_as_it_was() -> None:
    """What a project that does not say gets is written down: of old nothing was, and the error budget was not halved."""
    old = parse(b'{"patience":3600.0}', RolloutPolicy)
    now = policy('[model.delay.rollout]\npatience = "1h"\n')
    assert now is not None
    assert (old.undecided, now.undecided) == (None, "shadow")
    assert parse(canonical(now), RolloutPolicy) == now
    assert part_of(old) == 2 * part_of(now)


def test_all_faults_are_told_with_their_lines() -> None:
    text = (
        '[model.delay.rollout]\nstrategy = "canry"\nsteps = ["50%", "25%"]\nratio = 0.5\nmargin = 0\nlabels = "wait"\n'
        'bake = "2h"\npatience = "1h"\nshare = 0.1\n'
    )
    with pytest.raises(BadPolicy) as caught:
        policy(text)
    told = str(caught.value)
    for line, words in (
        (
            4,
            'model.delay.rollout.strategy is "canry"; it must be "shadow", "canary", "blue-green" or "replace"',
        ),
        (5, 'model.delay.rollout.steps is ["50%", "25%"]: each step must be larger than the one before'),
        (6, "model.delay.rollout.ratio is 0.5; it must be 1 or more"),
        (7, "model.delay.rollout.margin is 0; it must be between 0 and 1"),
        (8, "model.delay.rollout.labels does nothing without quality"),
        (10, "model.delay.rollout.patience is over before bake is"),
        (11, "model.delay.rollout.share is not a setting of this release"),
    ):
        assert f"line {line}: {words}" in told, told


@pytest.mark.parametrize("steps", ['["0%"]', '["100%"]', "[1.5]", '["a"]', "[]", '"5%"', "[true]"])
def test_what_is_no_share(steps: str) -> None:
    with pytest.raises(BadPolicy, match=r"steps"):
        policy(f"[model.delay.rollout]\nsteps = {steps}\n")


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ('undecided = "wait"\npatience = "1h"\n', 'it must be "shadow", "end" or'),
        ('undecided = "switch"\npatience = "1h"\n', 'is "switch": only a blue-green'),
        ('undecided = "end"\n', "does nothing without patience"),
        ('undecided = "end"\npatience = "1h"\nstrategy = "shadow"\n', "only of a canary"),
    ],
)
def test_what_becomes_of_an_undecided_canary(rest: str, words: str) -> None:
    with pytest.raises(BadPolicy, match=words):
        policy(f"[model.delay.rollout]\n{rest}")


def test_a_blue_green_that_switches_on_what_is_undecided() -> None:
    found = policy('[model.delay.rollout]\nstrategy = "blue-green"\nundecided = "switch"\n')
    assert (found.strategy, found.undecided) == ("blue-green", "switch")


def test_only_a_canary_has_steps_and_a_log_is_needed() -> None:
    with pytest.raises(BadPolicy, match="only a canary has steps"):
        policy('[model.delay.rollout]\nstrategy = "shadow"\nsteps = ["5%"]\n')
    with pytest.raises(BadPolicy, match="would see no answers"):
        policy('[model.delay.rollout]\n[service]\ndurability = "off"\n')
