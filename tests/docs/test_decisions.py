"""A decision says what led to it, what it is, and what follows from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_numbers_are_without_gap_and_the_map_leads_there() -> None:
    assert [path.name[:4] for path in DECISIONS] == [
        f"{number:04}" for number in range(1, len(DECISIONS) + 1)
    ]
    assert "docs/decisions/" in (ROOT / "ARCHITECTURE.md").read_text()


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_context_decision_and_consequences_in_this_order(path: Path) -> None:
    text = path.read_text()
    assert re.match(rf"# {path.name[:4]}: \S", text), "its number and title"
    found = re.findall(r"^## (Context|Decision|Consequences)\b", text, re.MULTILINE)
    assert list(dict.fromkeys(found)) == ["Context", "Decision", "Consequences"]
