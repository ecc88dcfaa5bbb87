"""Which pins of a lock are for this platform, this Python and one group."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from noria.source.applied import NoGroup, applied, folders, groups_of
from noria.source.locks import BadLock

HASH = "sha256:" + "a" * 64
HERE, ELSEWHERE = sys.platform, "win32" if sys.platform != "win32" else "linux"


def entry(name: str, version: str = "1.0", more: str = "", source: str = '{ registry = "x" }') -> str:
    wheel = f'wheels = [{{ url = "x", hash = "{HASH}" }}]' if "registry" in source else ""
    return f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {source}\n{wheel}\n{more}\n'


ROOT = entry(
    "project",
    source='{ editable = "." }',
    more='dependencies = [{ name = "a", extra = ["fast"] }, '
    f"""{{ name = "b", marker = "sys_platform == '{ELSEWHERE}'" }}]
[package.dev-dependencies]
gpu = [{{ name = "cuda" }}]
dev = [{{ name = "tests" }}]""",
)
UV = "version = 1\n" + "".join(
    [
        ROOT,
        entry(
            "a",
            more="""dependencies = [{ name = "forked", version = "2.0", marker = "python_full_version >= '3.11'" },
  { name = "forked", version = "1.0", marker = "python_full_version < '3.11'" }]
[package.optional-dependencies]
fast = [{ name = "c" }]
slow = [{ name = "d" }]""",
        ),
        entry("b"),
        entry("c", more='dependencies = [{ name = "a" }]'),  # a circle
        entry("d"),
        entry("forked", "1.0"),
        entry("forked", "2.0"),
        entry("cuda", more='dependencies = [{ name = "forked", version = "2.0" }]'),
        entry("tests"),
    ]
)


def lock(folder: Path, text: str, name: str = "uv.lock") -> Path:
    (folder / name).write_text(text)
    return folder / name


def versions(file: Path, **more: str) -> dict[str, str]:
    return {name: pin.version for name, pin in applied(file, **more).items()}


def test_markers_extras_and_forks_are_followed_from_the_project(tmp_path: Path) -> None:
    assert versions(lock(tmp_path, UV)) == {"a": "1.0", "c": "1.0", "forked": "2.0"}


def test_a_group_is_added_to_what_the_project_needs(tmp_path: Path) -> None:
    file = lock(tmp_path, UV)
    assert versions(file, group="gpu") == {"a": "1.0", "c": "1.0", "forked": "2.0", "cuda": "1.0"}
    assert groups_of(tmp_path, "uv.lock") == ["dev", "gpu"]


def test_another_python_selects_other_pins(tmp_path: Path) -> None:
    assert versions(lock(tmp_path, UV), python="3.10.4")["forked"] == "1.0"


def test_a_group_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(NoGroup, match="dev, gpu"):
        applied(lock(tmp_path, UV), group="tpu")
    with pytest.raises(NoGroup, match="none"):
        applied(lock(tmp_path, f"a==1 --hash={HASH}\n", "requirements.txt"), group="gpu")


def test_groups_that_conflict_are_told_apart_by_the_marks_that_uv_gives_them(tmp_path: Path) -> None:
    root = entry(
        "project",
        source='{ virtual = "." }',
        more="""[package.dev-dependencies]
cpu = [{ name = "torch", version = "1.0" }]
gpu = [{ name = "torch", version = "2.0" }, { name = "extra", marker = "extra == 'group-7-project-gpu'" }]""",
    )
    file = lock(tmp_path, root + entry("torch", "1.0") + entry("torch", "2.0") + entry("extra"))
    assert versions(file, group="gpu") == {"torch": "2.0", "extra": "1.0"}
    assert versions(file, group="cpu") == {"torch": "1.0"}
    assert versions(file) == {}


def test_requirements_and_their_markers(tmp_path: Path) -> None:
    text = (
        f"a==1.0 --hash={HASH}\n"
        f"b==2.0 ; sys_platform == '{HERE}' \\\n    --hash={HASH}\n"
        f"c==3.0 ; sys_platform == '{ELSEWHERE}' --hash={HASH}\n"
    )
    assert versions(lock(tmp_path, text, "requirements.txt")) == {"a": "1.0", "b": "2.0"}


def test_a_pylock_with_groups(tmp_path: Path) -> None:
    text = f"""
lock-version = "1.0"
created-by = "a tool"
dependency-groups = ["gpu", "dev"]
default-groups = ["dev"]
[[packages]]
name = "a"
version = "1.0"
[[packages]]
name = "b"
version = "1.0"
marker = "sys_platform == '{ELSEWHERE}'"
[[packages]]
name = "cuda"
version = "1.0"
marker = "'gpu' in dependency_groups"
[[packages]]
name = "tests"
version = "1.0"
marker = "'dev' in dependency_groups"
"""
    file = lock(tmp_path, text, "pylock.toml")
    assert set(versions(file)) == {"a", "tests"}
    assert set(versions(file, group="gpu")) == {"a", "tests", "cuda"}
    with pytest.raises(NoGroup):
        applied(file, group="tpu")


def test_packages_from_folders_are_named(tmp_path: Path) -> None:
    text = entry("project", source='{ editable = "." }') + entry("own", source='{ editable = "../own" }')
    assert folders(lock(tmp_path, text)) == ["own (../own)"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (ROOT, "uv.lock"),  # it needs a, and there is none
        (ROOT.replace("sys_platform", "sys_platfrom") + entry("a"), "uv.lock"),
        ("[[packages]]\nname = 'a'\nmarker = 'python >'\n", "pylock.toml"),
        ("created-by = 'a tool'\n", "pylock.toml"),
        (f"a==1 ; python_version ~~ '3' --hash={HASH}\n", "requirements.txt"),
    ],
)
def test_a_lock_that_does_not_hang_together_is_told(text: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(BadLock):
        applied(lock(tmp_path, text, name))
