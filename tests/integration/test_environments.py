"""The shelf of built environments, with the real uv, and an index on loopback that loses or forges packages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.locked import uv
from e2e.test_disk_full import mount
from noria.adapters.environments import FolderShelf, OtherNoria
from noria.adapters.uv import (
    EnvironmentDiskFull,
    IndexSilent,
    LockUnusable,
    NoUv,
    OtherPlatform,
    PackageForged,
    PackageGone,
    PythonGone,
    find_uv,
)
from noria.errors import NoriaError, render
from noria.ports.environments import Shelved
from noria.records.environments import Recipe
from noria.source.applied import applied
from noria.source.environment import of_lock
from packages import Index, index

ENTRY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from integration.test_environments import Locked
from packages import Index
made = Locked(Path(sys.argv[2]), Index(Path(), ""))
print(made.built(Path(sys.argv[3])).folder)
"""


@dataclass(frozen=True)
class Locked:
    """A folder with a pyproject.toml and what it is locked to."""

    folder: Path
    index: Index

    def lock(self, *dependencies: str, groups: str = "") -> None:
        listed = ", ".join(f'"{one}"' for one in dependencies)
        (self.folder / "pyproject.toml").write_text(
            f'[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = [{listed}]\n'
            f"[dependency-groups]\n{groups}\n"
            f'[[tool.uv.index]]\nurl = "{self.index.url}"\ndefault = true\n'
        )
        uv("lock", cwd=self.folder)

    def recipe(self, group: str | None = None, **more: str) -> Recipe:
        """Of the lock alone, without Noria: it takes a tenth of the time."""
        lock = next(self.folder / name for name in NAMES if (self.folder / name).exists())
        pins = applied(lock, group=group)
        place = of_lock(self.folder, group=group)
        return Recipe(
            python=more.get("python", place.python),
            implementation=place.implementation,
            platform=place.platform,
            pins={name: (pin.version, tuple(sorted(pin.hashes))) for name, pin in sorted(pins.items())},
        )

    def built(self, shelf: Path, group: str | None = None, **more: str) -> Shelved:
        place = of_lock(self.folder, group=group)
        return FolderShelf(shelf).build(self.recipe(group, **more), place, self.folder, group)


NAMES = ("uv.lock", "pylock.toml", "requirements.txt")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Locked]:
    """Locked to `lib`, which needs `dep` here and `windows` elsewhere; uv has a cache of its own."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    (tmp_path / "project").mkdir()
    with index(tmp_path / "index") as served:
        served.add("dep", "1.0", "HERE = 1\n")
        served.add("windows", "1.0")
        served.add("lib", "1.0", requires=("dep<2", 'windows; sys_platform == "win32"'))
        served.add("extra", "1.0")
        served.add("elsewhere", "1.0", tag="py3-none-win_amd64")
        made = Locked(tmp_path / "project", served)
        made.lock("lib", groups='gpu = ["extra"]')
        yield made


def names(shelved: Shelved) -> set[str]:
    return {one.name for one in shelved.built.packages}


def test_what_is_built_is_what_the_lock_says_here(project: Locked, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    main, gpu = project.built(shelf), project.built(shelf, "gpu")
    assert names(main) == {"lib", "dep"} and names(gpu) == {"lib", "dep", "extra"}
    said = subprocess.run([main.python, "-c", "import dep; print(dep.HERE)"], capture_output=True, text=True)
    assert said.stdout == "1\n"
    assert project.built(shelf) == main, "the second time it is there"
    assert {one.folder for one in FolderShelf(shelf).all()} == {main.folder, gpu.folder}


@pytest.mark.parametrize(
    "words",
    [
        ("export", "--frozen", "--no-emit-project", "--format", "pylock.toml", "-o", "pylock.toml"),
        ("export", "--frozen", "--no-emit-project", "--format", "requirements.txt", "-o", "requirements.txt"),
    ],
)
def test_every_kind_of_lock_builds_the_same(words: tuple[str, ...], project: Locked, tmp_path: Path) -> None:
    before = project.recipe()
    uv(*words, "--no-default-groups", cwd=project.folder)
    (project.folder / "uv.lock").unlink()
    assert project.recipe() == before, "one address, whatever the lock's form"
    assert names(project.built(tmp_path / "shelf")) == {"lib", "dep"}


def test_it_needs_no_network_where_the_cache_has_it(project: Locked, tmp_path: Path) -> None:
    project.built(tmp_path / "one")
    for page in project.index.folder.rglob("*.whl"):
        page.unlink()
    assert names(project.built(tmp_path / "two")) == {"lib", "dep"}


def test_a_file_that_was_changed_is_found(project: Locked, tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    made = project.built(shelf.folder)
    assert shelf.inspected(made) == (2, [])
    (site,) = made.folder.glob("lib/python*/site-packages")
    (site / "dep.py").unlink()
    (record,) = site.glob("lib-1.0.dist-info/RECORD")
    record.write_text(record.read_text().replace("lib.py", "other.py"))
    assert sorted(str(one) for one in shelf.inspected(made)[1]) == [
        "dep 1.0: dep.py is not what was installed",
        "lib 1.0: the list of its files is not what was installed",
    ]


def forged(project: Locked) -> None:
    project.index.add("dep", "1.0", "HERE = 'another'\n")


def gone(project: Locked) -> None:
    next(project.index.folder.rglob("dep-1.0*.whl")).unlink()


def for_windows(project: Locked) -> None:
    project.lock("lib", "elsewhere")


def unparsable(project: Locked) -> None:
    lock = project.folder / "pyproject.toml"
    lock.write_text(lock.read_text().replace("[project]", "[project"))


def other_noria(project: Locked) -> None:
    project.index.add("noria", "0.8", "ANOTHER = 'project'\n")
    project.lock("lib", "noria")


@pytest.mark.parametrize(
    ("break_it", "kind", "word"),
    [
        (forged, PackageForged, "sha256"),
        (gone, PackageGone, "dep"),
        (for_windows, OtherPlatform, "win_amd64"),
        (unparsable, LockUnusable, "TOML"),
        (other_noria, OtherNoria, "0.8"),
    ],
)
def test_what_keeps_it_from_being_built_is_told_and_nothing_is_left(
    break_it: Callable[[Locked], None], kind: type[NoriaError], word: str, project: Locked, tmp_path: Path
) -> None:
    break_it(project)
    with pytest.raises(kind) as caught:
        project.built(tmp_path / "shelf")
    assert word in render(caught.value) and "next:" in render(caught.value)
    assert not [one for one in (tmp_path / "shelf").iterdir() if one.is_dir()]


def test_an_index_that_does_not_answer(project: Locked, tmp_path: Path) -> None:
    lock = project.folder / "uv.lock"
    port = project.index.url.split(":")[2].split("/")[0]
    lock.write_text(lock.read_text().replace(f":{port}/", ":1/"))  # nobody listens there
    with pytest.raises(IndexSilent):
        project.built(tmp_path / "shelf")


def test_a_python_that_is_not_to_be_had(
    project: Locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(PythonGone, match=r"3\.11\.0"):
        project.built(tmp_path / "shelf", python="3.11.0")


def test_without_uv_the_command_that_installs_it_is_named(
    project: Locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(NoUv) as caught:
        project.built(tmp_path / "shelf")
    assert "pip install 'noria[uv]'" in render(caught.value)


def test_a_disk_that_is_full(project: Locked, tmp_path: Path) -> None:
    project.index.add("large", "1.0", "X = '" + "x" * 4_000_000 + "'\n")
    project.lock("large")
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    mount(shelf, "size=2m")
    try:
        with pytest.raises(EnvironmentDiskFull) as caught:
            project.built(shelf)
        assert "noria env prune" in render(caught.value)
        assert not [one for one in shelf.iterdir() if one.is_dir()]
    finally:
        subprocess.run(["umount", "--lazy", str(shelf)], check=True)


def builder(project: Locked, shelf: Path) -> subprocess.Popen[str]:
    tests = Path(__file__).parents[1]
    words = [sys.executable, "-c", ENTRY, str(tests), str(project.folder), str(shelf)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_two_who_build_one_at_once_get_the_same(project: Locked, tmp_path: Path) -> None:
    both = [builder(project, tmp_path / "shelf") for _ in range(2)]
    said = {one.communicate(timeout=120)[0] for one in both}
    assert [one.returncode for one in both] == [0, 0] and len(said) == 1
    assert len(FolderShelf(tmp_path / "shelf").all()) == 1


def test_a_killed_builder_leaves_nothing_that_looks_complete(project: Locked, tmp_path: Path) -> None:
    """A uv that hangs in the middle, after it has made the environment: the builder is killed there."""
    shelf, real = tmp_path / "shelf", tmp_path / "bin" / "uv"
    real.parent.mkdir()
    reached = tmp_path / "reached"
    os.mkfifo(reached)
    real.write_text(
        f'#!/bin/sh\ncase "$1" in sync) echo here > {reached}; sleep 600;; esac\nexec {find_uv()} "$@"\n'
    )
    real.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, "-c", ENTRY, str(Path(__file__).parents[1]), str(project.folder), str(shelf)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "UV": str(real)},
    )
    assert reached.read_text() == "here\n"
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert [one.name.startswith(".building-") for one in shelf.iterdir() if one.is_dir()] == [True]
    assert FolderShelf(shelf).all() == []
    assert names(project.built(shelf)) == {"lib", "dep"}
    assert len([one for one in shelf.iterdir() if one.is_dir()]) == 1, "what the dead one left is gone"


def test_one_in_use_is_not_removed(project: Locked, tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    made = project.built(shelf.folder)
    with shelf.using(made):
        assert not shelf.remove(made) and made.folder.is_dir()
    assert shelf.remove(made) and shelf.all() == [] and not made.folder.exists()


def test_use_lasts_through_exec_and_ends_with_the_process(project: Locked, tmp_path: Path) -> None:
    shelf = FolderShelf(tmp_path / "shelf")
    made = project.built(shelf.folder)
    started, over = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        shelf.use(made)
        os.set_inheritable(over[0], True)
        os.set_inheritable(started[1], True)
        os.close(over[1])
        os.execv(
            sys.executable,
            [sys.executable, "-c", f"import os; os.write({started[1]}, b'x'); os.read({over[0]}, 1)"],
        )
    assert os.read(started[0], 1) == b"x"
    assert not shelf.remove(made)
    os.close(over[1])
    os.waitpid(pid, 0)
    assert shelf.remove(made)
