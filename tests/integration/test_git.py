"""A project's source through real git into a real store, and back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from noria.adapters.folder import FolderStore
from noria.adapters.git import Git, GitFailed, GitMissing, NoCommit, NotARepository
from noria.artifacts.trees import materialise
from noria.errors import render
from noria.records.base import parse
from noria.records.sources import Source, Tree
from noria.source import capture, provenance
from noria.source.read import LARGEST


def git(folder: Path, *arguments: str) -> str:
    line = ["git", "-C", str(folder), "-c", "protocol.file.allow=always", *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def commit(folder: Path, files: dict[str, str] | None = None) -> str:
    write(folder, files or {})
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


def repository(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "-b", "main")
    commit(folder, files)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return repository(tmp_path / "project", {"pipeline.py": "one = 1\n", "lib/more.py": "two = 2\n"})


def paths(source: Source, store: FolderStore) -> list[str]:
    return [file.path for file in parse(store.get(source.tree), Tree).files]


def patch(source: Source, store: FolderStore) -> bytes:
    assert source.diff is not None
    return store.get(source.diff)


def rebuilt(source: Source, store: FolderStore, tmp_path: Path) -> Path:
    return materialise(source.tree, store, tmp_path / "trees")


def contents(folder: Path) -> dict[str, str]:
    """Every file and link under a folder but git's own, with what makes it up."""
    found = {}
    for place in sorted(folder.rglob("*")):
        path = str(place.relative_to(folder))
        if place.is_symlink():
            found[path] = f"-> {place.readlink()}"
        elif place.is_file() and ".git" not in place.relative_to(folder).parts:
            found[path] = f"{place.stat().st_mode & 0o100:o} {place.read_text()}"
    return found


def test_a_clean_commit_is_pinned_and_comes_back_whole(
    project: Path, store: FolderStore, tmp_path: Path
) -> None:
    source = capture(project, store, Git())
    assert source == Source(
        commit=git(project, "rev-parse", "HEAD"), branch="main", folder=".", tree=source.tree, dirty=False
    )
    assert contents(rebuilt(source, store, tmp_path)) == contents(project)


def test_the_same_files_have_the_same_tree_in_another_place_and_commit(
    project: Path, store: FolderStore, tmp_path: Path
) -> None:
    other = repository(tmp_path / "other", {"lib/more.py": "two = 2\n", "pipeline.py": "one = 1\n"})
    commit(other)
    assert capture(project, store, Git()).tree == capture(other, store, Git()).tree


def test_a_dirty_tree_is_kept_with_its_patch_and_its_untracked_files(
    project: Path, store: FolderStore, tmp_path: Path
) -> None:
    write(project, {"pipeline.py": "one = 11\n", "new.py": "three = 3\n", "staged.py": "four = 4\n"})
    git(project, "add", "staged.py")
    source = capture(project, store, Git())
    assert (source.dirty, source.untracked) == (True, ("new.py",))
    assert contents(rebuilt(source, store, tmp_path)) == contents(project)

    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(project), str(clone))
    (tmp_path / "patch").write_bytes(patch(source, store))
    git(clone, "apply", str(tmp_path / "patch"))
    assert (clone / "pipeline.py").read_text() == "one = 11\n"
    assert (clone / "staged.py").read_text() == "four = 4\n"


def test_a_binary_change_is_in_the_patch(project: Path, store: FolderStore, tmp_path: Path) -> None:
    (project / "data.bin").write_bytes(bytes(range(256)))
    commit(project)
    (project / "data.bin").write_bytes(bytes(range(255, -1, -1)))
    source = capture(project, store, Git())
    git(project, "checkout", "--quiet", "--", "data.bin")
    (tmp_path / "patch").write_bytes(patch(source, store))
    git(project, "apply", str(tmp_path / "patch"))
    assert (project / "data.bin").read_bytes() == bytes(range(255, -1, -1))


def test_nothing_that_git_ignores_is_kept(project: Path, store: FolderStore) -> None:
    commit(project, {".gitignore": "*.log\nout/\n"})
    write(project, {"run.log": "x", "out/a.py": "x", "lib/.gitignore": "scratch.py\n", "lib/scratch.py": "x"})
    source = capture(project, store, Git())
    assert paths(source, store) == [".gitignore", "lib/.gitignore", "lib/more.py", "pipeline.py"]


def test_no_secret_is_kept_tracked_or_not(project: Path, store: FolderStore) -> None:
    commit(
        project, {".env": "KEY=hunter2\n", "deploy/.env.prod": "KEY=hunter3\n", "gone/.env": "KEY=hunter4\n"}
    )
    write(project, {".env": "KEY=hunter5\n", ".env.local": "KEY=hunter6\n", ".env.example": "KEY=\n"})
    (project / "gone" / ".env").unlink()
    git(project, "mv", "deploy/.env.prod", "deploy/.env.live")
    write(project, {"pipeline.py": "one = 12\n"})

    source = capture(project, store, Git())

    assert paths(source, store) == [".env.example", "lib/more.py", "pipeline.py"]
    assert {one.path for one in source.left_out} == {".env", ".env.local", "deploy/.env.live"}
    assert {one.why for one in source.left_out} == {"may hold secrets"}
    assert b"one = 12" in patch(source, store)
    kept = b"".join(store.get(digest) for digest in store.digests())
    assert b"hunter" not in kept


def test_a_secret_that_changed_alone_leaves_the_tree_clean(project: Path, store: FolderStore) -> None:
    commit(project, {".env": "KEY=a\n"})
    write(project, {".env": "KEY=b\n"})
    source = capture(project, store, Git())
    assert (source.dirty, source.diff) == (False, None)


def test_what_is_too_large_is_named_with_its_size(project: Path, store: FolderStore) -> None:
    with (project / "raw.csv").open("wb") as file:
        file.truncate(LARGEST + 1)
    write(project, {"tracked.csv": "small"})
    commit(project, {".gitignore": ""})
    with (project / "tracked.csv").open("wb") as file:
        file.truncate(LARGEST * 2)
    source = capture(project, store, Git())
    assert [(one.path, one.why) for one in source.left_out] == [
        ("raw.csv", "larger than 20 MiB: 20.0 MiB"),
        ("tracked.csv", "larger than 20 MiB: 40.0 MiB"),
    ]
    assert source.dirty
    assert source.diff is None


def test_links_modes_and_odd_names_come_back(project: Path, store: FolderStore, tmp_path: Path) -> None:
    odd = [
        "with space.py",
        "naïve 名.py",
        "line\nbreak.py",
        'quo"te.py',
        "back\\slash.py",
        "-dash.py",
        ":(top)x.py",
        "*.py",
    ]
    commit(project, dict.fromkeys(odd, "x = 1\n"))
    write(project, {f"new/{name}": "y = 2\n" for name in odd} | {"run.sh": "#!/bin/sh\n"})
    (project / "run.sh").chmod(0o755)
    (project / "latest").symlink_to("lib/more.py")
    (project / "lib" / "up").symlink_to("../lib", target_is_directory=True)
    (project / "nowhere").symlink_to("/does/not/exist")
    source = capture(project, store, Git())
    assert contents(rebuilt(source, store, tmp_path)) == contents(project)
    assert set(source.untracked) >= {"new/line\nbreak.py", "new/naïve 名.py", "latest", "run.sh"}


def test_a_changed_file_with_an_odd_name_is_in_the_patch(project: Path, store: FolderStore) -> None:
    commit(project, {"*.py": "x = 1\n", "lib/.env": "KEY=hunter2\n"})
    write(project, {"*.py": "x = 2\n", "pipeline.py": "one = 13\n", "lib/.env": "KEY=hunter3\n"})
    told = patch(capture(project, store, Git()), store)
    assert (b"x = 2" in told, b"one = 13" in told, b"hunter" in told) == (True, True, False)


def test_a_name_that_is_no_utf8_is_left_out_and_told(project: Path, store: FolderStore) -> None:
    place = os.fsencode(project) + b"/caf\xe9.py"
    Path(os.fsdecode(place)).write_text("x = 1\n")
    source = capture(project, store, Git())
    assert [(one.path, one.why) for one in source.left_out] == [("caf\\xe9.py", "its name is not UTF-8")]


def test_a_deleted_file_is_gone_from_the_tree_and_in_the_patch(project: Path, store: FolderStore) -> None:
    (project / "lib" / "more.py").unlink()
    source = capture(project, store, Git())
    assert (paths(source, store), source.dirty, source.left_out) == (["pipeline.py"], True, ())
    assert b"deleted file" in patch(source, store)


def test_a_folder_that_became_a_link_is_not_followed(
    project: Path, store: FolderStore, tmp_path: Path
) -> None:
    write(tmp_path / "outside", {"more.py": "from outside\n"})
    (project / "lib" / "more.py").unlink()
    (project / "lib").rmdir()
    (project / "lib").symlink_to(tmp_path / "outside")
    source = capture(project, store, Git())
    assert paths(source, store) == ["lib", "pipeline.py"]


def test_a_file_that_left_the_index_and_stayed_on_the_disk_is_untracked(
    project: Path, store: FolderStore
) -> None:
    git(project, "rm", "--quiet", "--cached", "pipeline.py")
    source = capture(project, store, Git())
    assert paths(source, store) == ["lib/more.py", "pipeline.py"]
    assert (source.untracked, source.dirty) == (("pipeline.py",), True)


def test_a_project_inside_a_bigger_repository_is_kept_alone(tmp_path: Path, store: FolderStore) -> None:
    top = repository(tmp_path / "top", {"teams/delay/pipeline.py": "one = 1\n", "secret.txt": "other team\n"})
    write(top, {"secret.txt": "changed\n", "untracked.txt": "x\n"})
    project = top / "teams" / "delay"
    source = capture(project, store, Git())
    assert (source.folder, source.dirty, paths(source, store)) == ("teams/delay", False, ["pipeline.py"])

    write(project, {"pipeline.py": "one = 2\n", "new.py": "x\n"})
    source = capture(project, store, Git())
    assert source.untracked == ("new.py",)
    assert b"teams/delay/pipeline.py" in patch(source, store)
    assert b"secret.txt" not in patch(source, store)


def test_submodules_are_kept_file_by_file(project: Path, tmp_path: Path, store: FolderStore) -> None:
    inner = repository(tmp_path / "inner", {"deep.py": "deep = 1\n", ".env": "KEY=hunter2\n"})
    shared = repository(tmp_path / "shared", {"common.py": "common = 1\n"})
    git(shared, "submodule", "--quiet", "add", str(inner), "inner")
    commit(shared)
    git(project, "submodule", "--quiet", "add", str(shared), "vendor/shared")
    git(project, "submodule", "--quiet", "update", "--init", "--recursive")
    commit(project)

    clean = capture(project, store, Git())
    assert clean.dirty is False
    assert [one.path for one in clean.left_out] == ["vendor/shared/inner/.env"]
    assert [path for path in paths(clean, store) if path.startswith("vendor")] == [
        "vendor/shared/.gitmodules",
        "vendor/shared/common.py",
        "vendor/shared/inner/deep.py",
    ]

    write(project, {"vendor/shared/inner/deep.py": "deep = 2\n", "vendor/shared/new.py": "x\n"})
    dirty = capture(project, store, Git())
    assert (dirty.dirty, dirty.untracked) == (True, ("vendor/shared/new.py",))
    assert b"+++ b/vendor/shared/inner/deep.py" in patch(dirty, store)
    assert contents(rebuilt(dirty, store, tmp_path)) == {
        path: text for path, text in contents(project).items() if ".env" not in path
    }


def test_a_submodule_that_was_never_checked_out_is_told(
    project: Path, tmp_path: Path, store: FolderStore
) -> None:
    shared = repository(tmp_path / "shared", {"common.py": "common = 1\n"})
    git(project, "submodule", "--quiet", "add", str(shared), "shared")
    commit(project)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(project), str(clone))
    source = capture(clone, store, Git())
    assert [(one.path, one.why) for one in source.left_out] == [
        ("shared", "a submodule that is not checked out")
    ]


def test_a_repository_that_lies_about_is_told(project: Path, store: FolderStore) -> None:
    repository(project / "scratch", {"a.py": "x"})
    source = capture(project, store, Git())
    assert [(one.path, one.why) for one in source.left_out] == [("scratch/", "another git repository")]


def test_a_linked_worktree_is_a_project_as_well(project: Path, tmp_path: Path, store: FolderStore) -> None:
    linked = tmp_path / "linked"
    git(project, "worktree", "add", "--quiet", "-b", "idea", str(linked))
    write(linked, {"pipeline.py": "one = 3\n"})
    source = capture(linked, store, Git())
    assert (source.branch, source.dirty) == ("idea", True)
    assert contents(rebuilt(source, store, tmp_path)) == contents(linked)


def test_a_sparse_checkout_says_what_is_not_there(project: Path, store: FolderStore) -> None:
    commit(project, {"docs/page.md": "x\n"})
    git(project, "sparse-checkout", "set", "--no-cone", "/*", "!/docs")
    source = capture(project, store, Git())
    assert [(one.path, one.why) for one in source.left_out] == [
        ("docs/page.md", "not in the sparse checkout")
    ]
    assert source.dirty is False


def test_a_run_in_the_middle_of_a_rebase_has_no_branch(project: Path, store: FolderStore) -> None:
    git(project, "checkout", "--quiet", "-b", "idea")
    commit(project, {"pipeline.py": "one = 'idea'\n"})
    git(project, "checkout", "--quiet", "main")
    onto = commit(project, {"pipeline.py": "one = 'main'\n"})
    git(project, "checkout", "--quiet", "idea")
    with pytest.raises(subprocess.CalledProcessError):
        git(project, "rebase", "main")
    source = capture(project, store, Git())
    assert (source.commit, source.branch, source.dirty) == (onto, None, True)
    assert paths(source, store) == ["lib/more.py", "pipeline.py"]
    assert source.diff is not None


def test_settings_of_the_user_change_no_byte_of_the_patch(
    project: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, {"pipeline.py": "one = 14\n", "lib/more.py": "two = 22\n"})
    plain = capture(project, store, Git())
    for name, value in {
        "diff.noprefix": "true", "diff.mnemonicPrefix": "true", "color.ui": "always", "diff.external": "false",
        "diff.context": "9", "diff.relative": "true", "diff.algorithm": "histogram", "core.quotePath": "false",
        "status.showUntrackedFiles": "no", "core.fsmonitor": "/does/not/exist", "status.branch": "false",
        "diff.interHunkContext": "5", "diff.orderFile": "/dev/null", "diff.indentHeuristic": "false",
        "diff.suppressBlankEmpty": "true", "core.abbrev": "4", "core.pager": "false",
    }.items():  # fmt: skip
        git(project, "config", name, value)
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "false")
    assert capture(project, store, Git()) == plain


def test_a_git_hook_around_the_run_does_not_mislead_it(
    project: Path, tmp_path: Path, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other", {"a.py": "x"})
    plain = capture(project, store, Git())
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert capture(project, store, Git()) == plain


def test_a_look_leaves_the_repository_alone(project: Path, store: FolderStore) -> None:
    index = project / ".git" / "index"
    os.utime(project / "pipeline.py")  # git would like to note that this file is unchanged
    before = index.read_bytes()
    (project / ".git" / "index.lock").touch()  # and somebody else is committing
    assert capture(project, store, Git()).dirty is False
    assert index.read_bytes() == before


def test_own_records_and_forgotten_folders_are_no_source(project: Path, store: FolderStore) -> None:
    write(
        project,
        {
            ".noria/noria.db": "x",
            "__pycache__/pipeline.pyc": "x",
            "venv/pyvenv.cfg": "x",
            "venv/lib/__pycache__/a.pyc": "x",
        },
    )
    source = capture(project, store, Git())
    assert paths(source, store) == ["lib/more.py", "pipeline.py"]
    assert [(one.path, one.why) for one in source.left_out] == [
        ("__pycache__/", "bytecode"),
        ("venv/", "a virtual environment"),
    ]
    assert source.dirty is False


def test_provenance_pins_code_environment_and_machine(project: Path, store: FolderStore) -> None:
    pinned = provenance(project, store, Git(), threads=3)
    assert pinned.source == capture(project, store, Git())
    assert pinned.environment.lock is None
    assert pinned.machine.threads == 3


def test_without_a_repository_one_is_told_how_to_make_one(tmp_path: Path, store: FolderStore) -> None:
    with pytest.raises(NotARepository) as caught:
        capture(tmp_path, store, Git())
    assert "git init && git add -A && git commit" in render(caught.value)


def test_inside_of_git_s_own_folder_there_is_no_project(project: Path, store: FolderStore) -> None:
    with pytest.raises(NotARepository):
        capture(project / ".git", store, Git())


def test_without_a_commit_one_is_told_how_to_make_one(tmp_path: Path, store: FolderStore) -> None:
    git(tmp_path, "init", "--quiet")
    with pytest.raises(NoCommit) as caught:
        capture(tmp_path, store, Git())
    assert f"cd '{tmp_path}' && git add -A && git commit" in render(caught.value)


def test_without_git_one_is_told_how_to_get_it(project: Path, store: FolderStore) -> None:
    with pytest.raises(GitMissing) as caught:
        capture(project, store, Git("git-that-is-not-there"))
    assert "apt-get install git" in render(caught.value)


def test_what_git_itself_refuses_is_told_in_its_words(project: Path, store: FolderStore) -> None:
    (project / ".git" / "index").write_bytes(b"not an index at all, but long enough to be read")
    with pytest.raises(GitFailed, match="bad signature"):
        capture(project, store, Git())
