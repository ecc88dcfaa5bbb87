"""`[service.log]`: every fault is told, with its line."""

from __future__ import annotations

import pytest

from noria.app.config import BadPolicy, parse_policy
from noria.records.policy import LogPolicy

MODEL = '[model.delay]\npipeline = "pipeline:delay"\n'


def test_the_settings_of_the_log() -> None:
    text = '[service.log]\nkeep = "90d"\nsample = 0.1\nredact = ["tailnum"]\nhash = ["email"]\n'
    log = parse_policy(MODEL + text, file="noria.toml").service.log
    assert log == LogPolicy(keep=90 * 86_400.0, sample=0.1, redact=("tailnum",), hash=("email",))
    assert not log.plain
    assert parse_policy(MODEL, file="noria.toml").service.log.plain


def test_all_faults_are_told_with_their_lines() -> None:
    text = (
        '[service.log]\nkeep = "90 days"\nsample = 0\nredact = "tailnum"\nhash = ["a", "a"]\nretention = 3\n'
    )
    with pytest.raises(BadPolicy) as caught:
        parse_policy(MODEL + text, file="noria.toml")
    told = str(caught.value)
    for line, words in (
        (4, 'service.log.keep is "90 days": write a count and a unit'),
        (5, "service.log.sample is 0; it must be above 0 and at most 1"),
        (6, 'service.log.redact is "tailnum": write ["column", "another"]'),
        (7, 'service.log.hash has "a" more than once'),
        (8, "service.log.retention is not a setting of this release"),
    ):
        assert f"line {line}: {words}" in told


def test_a_column_is_either_null_or_hashed() -> None:
    with pytest.raises(BadPolicy, match="which is in redact as well"):
        parse_policy(MODEL + '[service.log]\nredact = ["a"]\nhash = ["a"]\n', file="noria.toml")
