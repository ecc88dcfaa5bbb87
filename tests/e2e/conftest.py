"""Projects to try commands on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.project import PIPELINE, POLICY, Project


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """A committed project with this pipeline and this policy."""

    def make(pipeline: str = PIPELINE, policy: str = POLICY, name: str = "project") -> Project:
        folder = tmp_path / name
        folder.mkdir()
        project = Project(folder)
        project.write("pipeline.py", pipeline)
        project.write("noria.toml", policy)
        project.git("init", "--quiet", "--initial-branch=main")
        project.commit("First")
        return project

    return make


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """The demand project."""
    return make_project()
