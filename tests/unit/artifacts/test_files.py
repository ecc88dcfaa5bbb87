"""Paths, figures and bytes that a step returns."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from noria.artifacts import Artifacts, CannotStore


def test_a_file_comes_back_under_its_name_read_only(artifacts: Artifacts, tmp_path: Path) -> None:
    made = tmp_path / "model.onnx"
    made.write_bytes(b"weights" * 1000)
    artifact = artifacts.save(made)
    made.write_bytes(b"changed later")
    back = artifacts.load(artifact)
    assert (back.name, back.read_bytes()) == ("model.onnx", b"weights" * 1000)
    assert stat.S_IMODE(back.stat().st_mode) == 0o444
    assert artifact.size == 7000


def test_a_folder_comes_back_with_what_is_below_it(artifacts: Artifacts, tmp_path: Path) -> None:
    for place in ("one", "two"):
        folder = tmp_path / place
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "vocabulary.txt").write_text("a b")
        (folder / "run.sh").write_text("#!/bin/sh")
        (folder / "run.sh").chmod(0o700)
        (folder / "link").symlink_to("run.sh")
    artifact = artifacts.save(tmp_path / "one")
    assert artifact.digest == artifacts.save(tmp_path / "two").digest  # a temporary name is not in it
    back = artifacts.load(artifact)
    found = {
        path.relative_to(back).as_posix(): path.read_text() for path in back.rglob("*") if path.is_file()
    }
    assert found == {"deep/vocabulary.txt": "a b", "run.sh": "#!/bin/sh", "link": "#!/bin/sh"}
    assert os.access(back / "run.sh", os.X_OK)
    assert len(set(artifacts.holds(artifact))) == 2


def test_an_empty_file_and_an_empty_folder(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nothing.txt").touch()
    assert list(artifacts.load(artifacts.save(tmp_path / "empty")).iterdir()) == []
    assert artifacts.load(artifacts.save(tmp_path / "nothing.txt")).read_bytes() == b""


def test_readers_get_paths_of_their_own(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    artifact = artifacts.save(tmp_path / "x.txt")
    first, second = artifacts.load(artifact), artifacts.load(artifact)
    first.unlink()
    assert second.read_text() == "x"


def test_files_are_shared_with_the_store_and_not_copied(artifacts: Artifacts, tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"x")
    artifact = artifacts.save(tmp_path / "x.bin")
    (held,) = artifacts.holds(artifact)
    assert artifacts.load(artifact).samefile(artifacts.store.path(held))


def test_a_file_goes_to_another_file_system_as_a_copy(artifacts: Artifacts, tmp_path: Path) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("needs a second file system at /dev/shm (mount a tmpfs there)")
    (tmp_path / "x.bin").write_bytes(b"x")
    artifact = artifacts.save(tmp_path / "x.bin")
    elsewhere = Artifacts(artifacts.store, scratch=Path("/dev/shm") / "noria-test-copies")
    back = elsewhere.load(artifact)
    assert back.read_bytes() == b"x"
    assert stat.S_IMODE(back.stat().st_mode) == 0o444
    elsewhere.close()
    assert not back.exists()
    (Path("/dev/shm") / "noria-test-copies").rmdir()


def test_a_path_to_nothing_is_refused(artifacts: Artifacts, tmp_path: Path) -> None:
    with pytest.raises(CannotStore, match=r"no file or folder"):
        artifacts.save(tmp_path / "forgotten.txt")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "folder" / "pipe")
    with pytest.raises(CannotStore, match="no regular file"):
        artifacts.save(tmp_path / "folder")


def test_a_figure_is_a_picture_without_a_date(artifacts: Artifacts) -> None:
    from matplotlib.figure import Figure

    digests = set()
    for _ in range(2):
        figure = Figure()
        figure.subplots().plot([1, 3, 2])
        artifact = artifacts.save(figure)
        digests.add(artifact.digest)
    assert len(digests) == 1
    assert artifact.type == "image/png"
    assert artifacts.load(artifact).startswith(b"\x89PNG")
