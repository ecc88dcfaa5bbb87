"""Which codec a value gets, and what stands in an artifact's record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from noria.artifacts import Artifacts, CannotStore, NoCodec
from noria.artifacts.pickled import NotMarkedUnsafe
from noria.errors import ConfigError, Corrupt
from noria.records.artifacts import Artifact
from noria.records.base import canonical, parse


class Odd:
    """Nothing that any codec knows; only pickle holds it."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and other.x == self.x

    __hash__ = None  # type: ignore[assignment]


def test_pickle_is_used_when_asked_for_and_says_that_it_is_unsafe(artifacts: Artifacts) -> None:
    with pytest.raises(CannotStore):
        artifacts.save(Odd(3))
    artifact = artifacts.save(Odd(3), codec="pickle")
    assert artifact.unsafe
    assert artifacts.load(artifact) == Odd(3)
    assert not artifacts.save({"x": 1}).unsafe


def test_pickle_is_not_read_unless_the_record_says_so(artifacts: Artifacts) -> None:
    artifact = artifacts.save(Odd(3), codec="pickle")
    with pytest.raises(NotMarkedUnsafe):
        artifacts.load(msgspec.structs.replace(artifact, unsafe=False))


def test_what_pickle_refuses_too_is_said(artifacts: Artifacts) -> None:
    with pytest.raises(CannotStore, match="pickle refuses it too"):
        artifacts.save(lambda: 1, codec="pickle")


@pytest.mark.parametrize("name", ["no-such", "arrow/99"])
def test_an_unknown_codec_is_named_with_those_that_are_there(artifacts: Artifacts, name: str) -> None:
    with pytest.raises(NoCodec, match="installed are arrow, npy, json"):
        artifacts.save(1, codec=name)
    with pytest.raises(ConfigError):
        artifacts.load(msgspec.structs.replace(artifacts.save(1), codec=name))


def test_an_artifacts_record_is_all_that_a_reader_needs(artifacts: Artifacts) -> None:
    artifact = artifacts.save({"levels": ("a", "b")})
    again = parse(canonical(artifact), Artifact)
    assert Artifacts(artifacts.store).load(again) == {"levels": ("a", "b")}


def test_a_damaged_artifact_is_not_read(artifacts: Artifacts) -> None:
    artifact = artifacts.save([1, 2, 3])
    path = artifacts.store.path(artifact.digest)
    path.chmod(0o644)
    path.write_bytes(b"[1,2,4]")
    with pytest.raises(Corrupt):
        artifacts.load(artifact)


class UpperCodec:
    """A plugin's codec, for a type of its own."""

    name = "upper"
    version = 2

    def fits(self, value: object) -> bool:
        return isinstance(value, SimpleNamespace)

    def save(self, value: Any, shelf: Any) -> Artifact:
        data = value.text.upper().encode()
        return Artifact(digest=shelf.store.put(data), codec="upper/2", size=len(data))

    def load(self, artifact: Artifact, shelf: Any) -> Any:
        return SimpleNamespace(text=shelf.store.get(artifact.digest).decode())

    def holds(self, artifact: Artifact, shelf: Any) -> tuple[()]:
        return ()


def test_a_plugin_adds_a_codec(artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = SimpleNamespace(load=lambda: UpperCodec)
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda group: [plugin] if group == "noria.codecs" else []
    )
    artifact = artifacts.save(SimpleNamespace(text="shout"))
    assert artifacts.load(artifact).text == "SHOUT"
    assert artifacts.load(artifacts.save([SimpleNamespace(text="in a list")]))[0].text == "IN A LIST"


def test_asking_for_a_codec_imports_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from noria.adapters.folder import FolderStore;"
        "from noria.artifacts import Artifacts; a = Artifacts(FolderStore(Path(sys.argv[1])));"
        "a.load(a.save({'x': [1, (2, 3)]}));"
        "print(sorted({'numpy', 'polars', 'pandas', 'pyarrow', 'sklearn', 'skops', 'lightgbm'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
