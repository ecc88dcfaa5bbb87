"""Which paths of a working tree are the project's own."""

from __future__ import annotations

import pytest

from noria.ports.source import Checkout
from noria.source.choose import choose, holds_secrets


def checkout(
    *, tracked: tuple[str, ...] = (), untracked: tuple[str, ...] = (), deleted: tuple[str, ...] = ()
) -> Checkout:
    return Checkout(
        commit="c0ffee", branch="main", folder=".", tracked=tracked, untracked=untracked, deleted=deleted
    )


@pytest.mark.parametrize(
    "path",
    [".env", "a/.env", ".env.production", "a/b/.env.local", ".ENV", ".Env.Local", ".env/key", ".env.d/key",
     ".env.example.local", ".env.example/.env"],
)  # fmt: skip
def test_a_path_that_may_hold_secrets(path: str) -> None:
    assert holds_secrets(path)


@pytest.mark.parametrize(
    "path",
    [".env.example", "a/.env.example", ".envrc", "env", "my.env", ".environment", "a.env.py", "env/.keep"],
)
def test_a_path_that_does_not(path: str) -> None:
    assert not holds_secrets(path)


def test_files_are_sorted_and_named_once() -> None:
    chosen = choose(checkout(tracked=("b", "a"), untracked=("c", "b")))
    assert chosen.files == ("a", "b", "c")


def test_deleted_files_are_no_files() -> None:
    assert choose(checkout(tracked=("a", "b"), deleted=("a",))).files == ("b",)


def test_forgotten_folders_are_told_once_and_the_outer_one_alone() -> None:
    chosen = choose(
        checkout(
            untracked=(
                "a.py",
                "__pycache__/a.pyc",
                "lib/__pycache__/b.pyc",
                "lib/__pycache__/c.pyc",
                "venv/pyvenv.cfg",
                "venv/lib/x.py",
                "venv/lib/__pycache__/x.pyc",
                "venv2/x.py",
            )
        )
    )
    assert chosen.files == chosen.untracked == ("a.py", "venv2/x.py")
    assert [(one.path, one.why) for one in chosen.left_out] == [
        ("__pycache__/", "bytecode"),
        ("lib/__pycache__/", "bytecode"),
        ("venv/", "a virtual environment"),
    ]


def test_what_is_tracked_was_meant() -> None:
    tracked = ("__pycache__/a.pyc", "venv/pyvenv.cfg", "venv/x.py")
    assert choose(checkout(tracked=tracked)).files == tracked


def test_a_project_that_is_a_virtual_environment_itself_still_has_files() -> None:
    assert choose(checkout(untracked=("pyvenv.cfg", "a.py"))).files == ("a.py", "pyvenv.cfg")


def test_noria_s_own_folder_is_never_source() -> None:
    chosen = choose(checkout(tracked=(".noria/old",), untracked=(".noria/new", "lib/.noria")))
    assert (chosen.files, chosen.left_out) == (("lib/.noria",), ())


def test_names_that_are_no_utf8_are_written_out() -> None:
    chosen = choose(checkout(untracked=("caf\udce9.py",)))
    assert chosen.files == ()
    assert [(one.path, one.why) for one in chosen.left_out] == [("caf\\xe9.py", "its name is not UTF-8")]
