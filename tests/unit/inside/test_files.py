"""Files of this machine, as a data step reads them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import polars as pl
import pytest

import noria
from noria.adapters.folder import FolderStore
from noria.adapters.outside_errors import FileChanged, FileGone, FileUnreadable
from noria.artifacts import CannotStore
from noria.inside.context import Inside, holding, performing
from noria.inside.files import BadFilesUrl, BadReference, NoFiles, NotARun
from noria.inside.reading import NotADataStep
from noria.inside.walk import FolderUnreadable
from noria.records.base import parse
from noria.records.profiles import Manifest
from steps import step_in

Step = Callable[..., Inside]


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """A step of a project in `tmp_path`, not yet begun."""
    return partial(step_in, tmp_path)


def write(path: Path, text: str, *, age: float = 60.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


def manifest(inside: Inside) -> Manifest:
    source = inside.sources[-1]
    assert source.manifest is not None
    return parse(inside.artifacts.store.get(source.manifest), Manifest)


def test_paths_lead_to_the_bytes_that_were_pinned(step: Step, tmp_path: Path) -> None:
    for name in ("b", "a"):
        write(tmp_path / f"data/{name}.csv", f"x\n{len(name)}\n")
    with performing(step()) as inside:
        files = noria.files("data/*.csv")
        write(tmp_path / "data/a.csv", "x\n99\n")
        assert pl.read_csv(files)["x"].to_list() == [1, 1]
    assert files.names == ["a.csv", "b.csv"] and [path.name for path in files] == files.names
    found = manifest(inside)
    assert (found.root, found.pattern, found.kept) == ("data", "*.csv", True)
    assert [inside.artifacts.store.get(file.digest) for file in found.files] == [b"x\n1\n"] * 2
    assert inside.sources[0].name == "data/*.csv"


def test_a_folder_is_all_below_it_and_a_file_is_itself(step: Step, tmp_path: Path) -> None:
    write(tmp_path / "img/cat/1.png", "a")
    write(tmp_path / "img/.cache/2.png", "b")
    write(tmp_path / "[odd].txt", "c")
    with performing(step()):
        assert noria.files("img").names == ["cat/1.png"]
        assert noria.files(tmp_path / "img" / "cat").names == ["1.png"]
        assert noria.files("[odd].txt")[0].read_text() == "c"


def test_the_version_is_names_and_bytes_wherever_they_lie(step: Step, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder / "a.csv", "x")
    with performing(step()) as inside:
        noria.files("one/*.csv")
        noria.files("two/*.csv")
        write(tmp_path / "two" / "a.csv", "y")
        noria.files("two/*.csv")
    first, second, third = (source.version for source in inside.sources)
    assert first == second != third


def test_unchanged_files_are_not_read_again(step: Step, tmp_path: Path) -> None:
    class Counting(FolderStore):
        written = 0

        def writer(self):  # type: ignore[no-untyped-def]
            Counting.written += 1
            return super().writer()

    for number in range(3):
        write(tmp_path / f"data/{number}.csv", f"{number}")
    _let_settle(tmp_path / "data")
    for count in (3, 3):
        with performing(step(store=Counting(tmp_path / ".noria", durable=False))):
            assert len(noria.files("data/*.csv")) == 3
        assert Counting.written == count
    write(tmp_path / "data/1.csv", "8")  # another file of the same size and time
    with performing(step(store=Counting(tmp_path / ".noria", durable=False))):
        assert noria.files("data/*.csv")[1].read_text() == "8"
    assert Counting.written == 4


def test_a_file_of_this_moment_is_read_again(step: Step, tmp_path: Path) -> None:
    """Its next change may show in none of its times."""
    path = write(tmp_path / "a.csv", "1", age=0.0)
    with performing(step()):
        noria.files("a.csv")
    before = path.stat()
    path.write_text("2")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with performing(step()):
        assert noria.files("a.csv")[0].read_text() == "2"


def _let_settle(folder: Path) -> None:
    """Wait until a change of these files would show in their times."""
    newest = max(path.stat().st_ctime for path in folder.iterdir())
    while time.time() - newest <= 2.0:
        time.sleep(0.1)


def test_bytes_that_the_store_lost_are_kept_anew(step: Step, tmp_path: Path) -> None:
    write(tmp_path / "data/a.csv", "1")
    _let_settle(tmp_path / "data")
    with performing(step()) as inside:
        digest = noria.files("data").files[0].digest
        inside.artifacts.store.path(digest).unlink()
        assert noria.files("data")[0].read_text() == "1"
        assert inside.artifacts.store.get(digest) == b"1"


@pytest.mark.parametrize("pattern", ["data/*.csv", "nothing", "nothing/*.csv", "data", "**/*.parquet"])
def test_a_name_without_a_file_is_told(step: Step, tmp_path: Path, pattern: str) -> None:
    (tmp_path / "data").mkdir()
    with performing(step()) as inside, pytest.raises(NoFiles, match="there is no file"):
        noria.files(pattern)
    assert not inside.sources


def test_where_to_look_depends_on_what_was_named() -> None:
    assert "project's folder" in NoFiles(pattern="data/*.csv").advice()
    assert "project's folder" not in NoFiles(pattern="s3://lake/data/*.csv").advice()


def test_a_link_to_nothing_is_told(step: Step, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").symlink_to("gone.csv")
    with performing(step()), pytest.raises(FileGone, match=r"a\.csv was deleted"):
        noria.files("data/*.csv")


def test_a_file_that_is_written_while_it_is_copied_is_found_out(step: Step, tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", "1\n")

    class Meddling(FolderStore):
        @contextmanager
        def writer(self) -> Iterator[object]:  # type: ignore[override]
            with super().writer() as sink:
                yield sink
                with path.open("a") as file:
                    file.write("2\n")

    with (
        performing(step(store=Meddling(tmp_path / ".noria", durable=False))),
        pytest.raises(FileChanged, match=r"log\.csv changed while it was read"),
    ):
        noria.files("log.csv")


def test_what_is_not_kept_is_read_where_it_lies_and_watched(step: Step, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "1")
    with performing(step()) as inside:
        files = noria.files("a.csv", keep=False)
        assert list(files) == [path]
        inside.settle()
        assert manifest(inside).kept is False
        assert not inside.artifacts.store.has(files.files[0].digest)
        write(path, "2")
        with pytest.raises(FileChanged):
            inside.settle()
        with pytest.raises(CannotStore, match="has changed since it was read"):
            inside.artifacts.save(files)
        path.unlink()
        with pytest.raises(FileGone):
            inside.settle()


def test_a_file_that_may_not_be_read_is_told(step: Step, tmp_path: Path) -> None:
    write(tmp_path / "data/a.csv", "1").chmod(0)
    write(tmp_path / "closed/a.csv", "1")
    (tmp_path / "closed").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):  # whoever we become may come so far
        if folder == Path(tempfile.gettempdir()):
            break
        folder.chmod(0o755)
    inside = step()
    inside.artifacts.store.put(b"")
    for path in (tmp_path / ".noria", *(tmp_path / ".noria").rglob("*")):
        path.chmod(0o777)
    with performing(inside), nobody():
        with pytest.raises(FileUnreadable, match="Permission denied"):
            noria.files("data/*.csv")
        with pytest.raises(FolderUnreadable, match="Permission denied"):
            noria.files("closed/*.csv")
    (tmp_path / "closed").chmod(0o755)


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything: be somebody else for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_only_data_steps_read_what_lies_outside(step: Step, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "1")
    with performing(step(role="step")), pytest.raises(NotADataStep, match="only data steps"):
        noria.files("a.csv")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/a.csv", "https:// is not known"),
        ("s3://key:secret@bucket/a.csv", "it holds credentials"),
    ],
)
def test_an_address_that_is_none_is_told_without_secrets(step: Step, url: str, words: str) -> None:
    with performing(step()), pytest.raises(BadFilesUrl, match=words) as raised:
        noria.files(url)
    assert "secret" not in str(raised.value)


def test_returned_files_go_to_later_steps_under_their_names(step: Step, tmp_path: Path) -> None:
    write(tmp_path / "img/cat/1.png", "a")
    write(tmp_path / "img/dog/2.png", "b")
    with performing(step()) as inside:
        kept, lying = noria.files("img"), noria.files("img", keep=False)
        artifact = inside.artifacts.save(kept)
        assert inside.artifacts.save(lying) == artifact  # content, wherever it lay
    (tmp_path / "img/cat/1.png").write_text("changed")
    shelf = inside.artifacts
    back = shelf.load(artifact)
    assert isinstance(back, noria.Files)
    assert {name: path.read_text() for name, path in zip(back.names, back, strict=True)} == {
        "cat/1.png": "a",
        "dog/2.png": "b",
    }
    assert sorted(shelf.holds(artifact)) == sorted(back.references)
    assert shelf.save(back) == artifact
    with pytest.raises(TypeError, match="pinned"):
        back.append(tmp_path)


def test_files_within_a_structure_keep_their_names(step: Step, tmp_path: Path) -> None:
    write(tmp_path / "img/cat/1.png", "a")
    with performing(step()) as inside:
        artifact = inside.artifacts.save({"images": noria.files("img"), "size": 3})
    assert inside.artifacts.load(artifact)["images"].names == ["cat/1.png"]


def test_references_are_read_in_any_step(step: Step, tmp_path: Path) -> None:
    write(tmp_path / "a.png", "png")
    with performing(step()) as inside:
        reference = noria.files("a.png").references[0]
    with holding(inside.artifacts.store):
        assert noria.read(reference) == b"png"
        with pytest.raises(BadReference, match="no reference"):
            noria.read("/etc/passwd")
        with pytest.raises(BadReference, match="no base64"):
            noria.read("data:image/png;base64,???")
    with pytest.raises(BadReference, match="no store"):
        noria.read(reference)
    assert noria.read("data:image/png;base64,cG5n") == b"png" == noria.read("data:,png")


def test_in_a_unit_test_files_are_where_they_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "data/a.csv", "1")
    monkeypatch.chdir(tmp_path)
    files = noria.files("data/*.csv")
    assert list(files) == [tmp_path / "data" / "a.csv"]
    assert noria.read(files.references[0]) == b"1"
    with pytest.raises(NotARun, match="outside of a run"):
        noria.files("s3://bucket/a.csv")
    with pytest.raises(NoFiles):
        noria.files("data/*.parquet")
