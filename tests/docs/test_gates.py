"""The settings that docs/gates.md shows are settings of this release, and each gate has its line there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from noria.app.config import parse_policy
from noria.app.gate_settings import TABLES, WORDS
from noria.app.judging.plants import DATA_PLANTS
from noria.records.gates import Measure

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gates.md").read_text()


def test_the_example_is_a_policy() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    policy = parse_policy(f'[model.delay]\npipeline = "pipeline:delay"\n{block}', file="docs/gates.md")
    assert len(policy.models[0].gates) == 10


def test_every_gate_and_every_planted_fault_is_described() -> None:
    for name in (*WORDS, *TABLES, *get_args(Measure), *DATA_PLANTS, "NaN weights", "slow model"):
        assert name in PAGE, name
