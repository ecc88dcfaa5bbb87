"""A project with stored runs, made once for all tests that only look."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.client.worked import worked


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project of `worked`; nobody changes it."""
    return worked(tmp_path_factory.mktemp("client") / "flights")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of any project, as a notebook may be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NORIA_PROJECT", raising=False)
