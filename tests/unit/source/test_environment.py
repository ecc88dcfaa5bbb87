"""An environment's digest: the same packages, the same digest; anything else, another."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from noria.errors import render
from noria.source import environment, machine
from noria.source.environment import installed, lock_of, of_lock
from noria.source.locks import BadLock, Pin, hashed_requirements, pylock, uv_lock

A, B, C = ("sha256:" + digit * 64 for digit in "abc")

UV = f"""
version = 1
requires-python = ">=3.11"

[[package]]
name = "numpy"
version = "2.4.6"
source = {{ registry = "https://one.example/simple" }}
sdist = {{ url = "https://one.example/numpy.tar.gz", hash = "{A}", size = 1 }}
wheels = [
  {{ url = "https://one.example/numpy.whl", hash = "{B}", size = 2 }},
]

[[package]]
name = "ours"
version = "0.3.0"
source = {{ git = "https://git.example/ours?rev=main#0123abcd" }}

[[package]]
name = "project"
version = "0.1.0"
source = {{ editable = "." }}
dependencies = [{{ name = "numpy" }}]
"""

UV_MOVED = f"""
version = 1

[[package]]
name = "ours"
version = "0.3.0"
source = {{ git = "https://mirror.example/ours#0123abcd" }}

[[package]]
name = "project"
version = "0.2.0"
source = {{ editable = "." }}
dependencies = [{{ name = "numpy" }}]

[[package]]
name = "numpy"
version = "2.4.6"
source = {{ registry = "https://two.example" }}
wheels = [{{ url = "https://two.example/numpy.whl", hash = "{B}" }}]
sdist = {{ url = "https://two.example/numpy.tar.gz", hash = "{A}" }}
"""

PYLOCK = f"""
lock-version = "1.0"
created-by = "a tool"

[[packages]]
name = "Num.Py"
version = "2.4.6"
index = "https://one.example/simple"
wheels = [{{ name = "numpy.whl", url = "https://one.example/numpy.whl", hashes = {{ sha256 = "{B[7:]}" }} }}]
sdist = {{ name = "numpy.tar.gz", url = "https://one.example/n.tar.gz", hashes = {{ sha256 = "{A[7:]}" }} }}

[[packages]]
name = "ours"
vcs = {{ type = "git", url = "https://git.example/ours", commit-id = "0123abcd" }}

[[packages]]
name = "zipped"
archive = {{ url = "https://one.example/z.zip", hashes = {{ sha512 = "ff" }} }}
"""

REQUIREMENTS = f"""
# made by a tool
--index-url https://one.example/simple
NumPy==2.4.6 ; python_version >= "3.11" \\
    --hash={A} \\
    --hash={B}
    # via project
typing_extensions[x]===4.16.0 --hash={C}
ours @ https://one.example/ours.zip#egg=ours --hash={A}
"""

NUMPY = Pin(name="numpy", version="2.4.6", hashes=frozenset({A, B}))


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_uv_lock_pins_names_versions_hashes_and_commits(tmp_path: Path) -> None:
    ours = Pin(name="ours", version="0.3.0", hashes=frozenset({"git:0123abcd"}))
    assert uv_lock(written(tmp_path, "uv.lock", UV)) == {NUMPY, ours}


def test_a_pylock_pins_the_same(tmp_path: Path) -> None:
    assert pylock(written(tmp_path, "pylock.toml", PYLOCK)) == {
        Pin(name="num-py", version="2.4.6", hashes=frozenset({A, B})),
        Pin(name="ours", hashes=frozenset({"git:0123abcd"})),
        Pin(name="zipped", hashes=frozenset({"sha512:ff"})),
    }


def test_hashed_requirements_pin_the_same(tmp_path: Path) -> None:
    assert hashed_requirements(written(tmp_path, "requirements.txt", REQUIREMENTS)) == {
        NUMPY,
        Pin(name="typing-extensions", version="4.16.0", hashes=frozenset({C})),
        Pin(name="ours", hashes=frozenset({A})),
    }


def test_requirements_may_include_others_and_themselves(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    written(tmp_path, "deep/base.txt", f"numpy==2.4.6 --hash={A} --hash={B}\n-r ../requirements.txt\n")
    top = written(tmp_path, "requirements.txt", f"-r deep/base.txt\na==1 --hash={C}\n")
    assert hashed_requirements(top) == {NUMPY, Pin(name="a", version="1", hashes=frozenset({C}))}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "numpy==2.4.6\n",
        f"numpy==2.4.6 --hash={A}\nflask>=2\n",
        f"a==1 --hash={A}\n./local\n",
    ],
)
def test_requirements_without_all_hashes_are_no_lock(text: str, tmp_path: Path) -> None:
    written(tmp_path, "requirements.txt", text)
    assert environment(tmp_path).lock is None


def test_addresses_order_and_the_project_s_own_version_do_not_matter(tmp_path: Path) -> None:
    written(tmp_path, "uv.lock", UV)
    before = of_lock(tmp_path)
    written(tmp_path, "uv.lock", UV_MOVED)
    assert of_lock(tmp_path) == before
    assert before.lock == "uv.lock"


@pytest.mark.parametrize(
    ("was", "now"), [("2.4.6", "2.4.7"), (A, C), ("0123abcd", "9999abcd"), ('"numpy"', '"nunpy"')]
)
def test_names_versions_hashes_and_commits_do(was: str, now: str, tmp_path: Path) -> None:
    written(tmp_path, "uv.lock", UV)
    before = of_lock(tmp_path)
    written(tmp_path, "uv.lock", UV.replace(was, now))
    assert of_lock(tmp_path).packages != before.packages


def test_the_most_exact_lock_counts(tmp_path: Path) -> None:
    for name, text in (("requirements.txt", REQUIREMENTS), ("pylock.toml", PYLOCK), ("uv.lock", UV)):
        written(tmp_path, name, text)
        assert lock_of(tmp_path) == name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", "version = \n"),
        ("uv.lock", "[[package]]\nversion = '1'\n"),
        ("uv.lock", "package = 3\n"),
        ("pylock.toml", "[[packages]\n"),
        ("pylock.toml", "[[packages]]\nname = 'a'\nwheels = 'b'\n"),
        ("requirements.txt", "-r missing.txt\n"),
    ],
)
def test_a_lock_that_cannot_be_read_is_told(name: str, text: str, tmp_path: Path) -> None:
    written(tmp_path, name, text)
    with pytest.raises(BadLock) as caught:
        environment(tmp_path)
    assert "uv lock" in render(caught.value)


def test_without_a_lock_what_is_installed_counts(tmp_path: Path) -> None:
    found = environment(tmp_path)
    assert (found.lock, found.python) == (None, platform.python_version())
    assert found.implementation == sys.implementation.name
    assert found.platform == f"{sys.platform}-{platform.machine()}"
    assert found == environment(tmp_path)


def test_installed_distributions_are_read_off_their_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "site-packages", tmp_path / "b" / "dist-packages"
    for folder in (
        first / "Typing_Extensions-4.16.0.dist-info",
        first / "old-1.0-py3.11.egg-info",
        first / "local-1.0+cu12.dist-info",
        first / "typing_extensions",
        first / "~broken.dist-info",
        second / "old-0.9.dist-info",
        second / "other-2.dist-info",
        tmp_path / "project" / "not-1.0.dist-info",
    ):
        folder.mkdir(parents=True)
    paths = [
        str(tmp_path / "project"),
        str(first),
        str(second),
        str(tmp_path / "missing" / "site-packages"),
        "",
    ]
    assert {(pin.name, pin.version) for pin in installed(paths)} == {
        ("typing-extensions", "4.16.0"),
        ("old", "1.0"),
        ("local", "1.0+cu12"),
        ("other", "2"),
    }


def test_the_machine_says_what_explains_a_difference() -> None:
    found = machine(threads=2)
    assert (found.host, found.threads) == (platform.node(), 2)
    assert found.cpu
    assert found.cores >= 1
    assert found.memory > 2**20
