"""Projects to try commands on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.project import FIRST, PIPELINE, POLICY, Project, committed, copied
from shared import made


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """A committed project with this pipeline and this policy."""

    def make(pipeline: str = PIPELINE, policy: str = POLICY, name: str = "project") -> Project:
        return committed(tmp_path / name, pipeline, policy)

    return make


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """The demand project."""
    return make_project()


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demand project after a first run, of which tests get copies."""

    def train(folder: Path) -> None:
        committed(folder, PIPELINE, POLICY).noria("run", "--as-of", FIRST)

    return made("first-run", tmp_path_factory, train)


@pytest.fixture
def trained(first_run: Path, tmp_path: Path) -> Project:
    """The demand project after `noria run --as-of FIRST`."""
    return copied(first_run, tmp_path / "project")
