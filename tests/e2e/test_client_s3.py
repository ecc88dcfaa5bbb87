"""A notebook's view of a project whose objects lie on a real S3 server, where nothing of the project may be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.project import FIRST, PIPELINE, POLICY, Project
from servers_s3 import S3Server, environment

LOOK = """
import sys
import noria

run = noria.runs("demand", project=sys.argv[1]).latest
version = noria.versions(project=sys.argv[1]).champion
print(run.name, len(run["model"]), run["train"].height, len(run.card.html) > 10_000)
print(run.artifact("train").path.stat().st_size == run.artifact("train").size)
print(version.predict(run["days"].head(5)).height)
"""


@pytest.fixture
def url(s3: S3Server) -> Iterator[str]:
    with environment(s3.variables()):
        yield s3.url()


@pytest.fixture
def project(make_project: Callable[..., Project], url: str) -> Project:
    project = make_project(PIPELINE, f'{POLICY}\n[store]\nobjects = "{url}"\n')
    project.noria("run", "--as-of", FIRST)
    return project


def bound() -> list[str]:
    """In front of a command: it may not write where modes forbid it, not even as root."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere: apt-get install util-linux, or run as another user")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--"]


def looked(project: Project, *before: str) -> str:
    words = [*before, sys.executable, "-c", LOOK, str(project.folder)]
    done = subprocess.run(words, cwd="/", capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def everything(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if ".db" not in path.name}


def test_a_project_that_cannot_be_written(project: Project) -> None:
    expected = looked(project)
    assert expected.splitlines()[-2:] == ["True", "5"], expected
    folders = [project.folder, *(path for path in project.folder.rglob("*") if path.is_dir())]
    for forgotten in (False, True):
        if forgotten:  # as on another machine: the objects are in the bucket alone
            shutil.rmtree(project.folder / ".noria" / "cache")
        folders = [path for path in folders if path.exists()]
        for path in folders:
            path.chmod(0o555)
        before = everything(project.folder)
        assert looked(project, *bound()) == expected
        assert everything(project.folder) == before
        for path in folders:
            path.chmod(0o755)
