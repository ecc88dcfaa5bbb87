"""The command line as a user meets it: words in, two streams and an exit code out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from noria.cli import main
from unit.app.stored import history


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Noria = Callable[..., Said]


@pytest.fixture
def noria(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Noria:
    """`noria(*words)`, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NORIA_TRACEBACK", raising=False)

    def call(*words: str) -> Said:
        capsys.readouterr()
        code = main(list(words))
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return call


@pytest.fixture(scope="session")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a history; nothing may change it."""
    return history(tmp_path_factory.mktemp("flights"))


@pytest.fixture
def own(flights: Path, tmp_path: Path) -> Path:
    """A project with a history, for a test that changes it."""
    return Path(shutil.copytree(flights, tmp_path / "own"))
