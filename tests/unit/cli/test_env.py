"""`noria env`: what cannot be meant is refused before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from noria.app.environments.read import Verified
from noria.cli.environments import verified_lines
from noria.records.environments import Difference
from unit.cli.conftest import Noria


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("biuld",), "neither a run"),
        (("build", "delay/1", "delay/2"), "0 or 1"),
        (("diff",), "1 or 2"),
        (("list", "delay/1"), "none"),
        (("verify", "--dry-run"), "removes nothing"),
        (("prune", "--unused", "soon"), "is no span"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: tuple[str, ...], said: str, noria: Noria) -> None:
    found = noria("env", *words)
    assert found.code == 2 and said in found.err


def test_changed_files_are_taken_out_of_the_cache_too() -> None:
    changed = Difference(name="idna", kind="files", wanted="3.10", found="idna/core.py")
    other = Difference(name="six", kind="version", wanted="1.0", found="1.1")
    lines = verified_lines(Verified(of="delay/1", folder="/e", packages=2, differs=(changed, other)))
    assert lines[0].endswith("2 packages differ") and "uv cache clean idna (" in lines[-1]
    lines = verified_lines(Verified(of="delay/1", folder="/e", packages=2, differs=(other,)))
    assert lines[0].endswith("1 package differs") and len(lines) == 2


def test_a_shelf_that_nobody_has_used_is_empty(
    noria: Noria, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORIA_ENVIRONMENTS", str(tmp_path / "nowhere"))
    assert noria("env", "list", "--json").json == []
    assert noria("env", "prune", "--json").json == []


def test_past_runs_without_a_lock_show_what_was_installed(flights: Path, noria: Noria) -> None:
    found = noria("-C", str(flights), "env", "delay/1")
    assert found.code == 0 and "cannot be rebuilt" in found.out
