"""What may lie in an output, and the names of its columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from noria.adapters.place_folder import FolderPlace
from noria.app.batch.errors import ColumnsTaken, OtherBatch, OutputIsFile, OutputTaken
from noria.app.batch.layout import names_of
from noria.app.batch.output import Output, require_folder, require_same, taken
from noria.records.artifacts import Column
from noria.records.base import Digest, digest_of
from noria.records.batches import Begun, InputFile, PartDone, Piece, Work, batch_id
from noria.records.versions import RequestColumn, Signature
from noria.testing.places import put
from noria.testing.samples import NOON, a_digest

DONE = PartDone(part="part-00001.parquet", rows=3, size=4, digest=a_digest("part"))


def work(**changed: object) -> Work:
    given: dict[str, object] = {
        "version": "delay:1",
        "run": "delay/1",
        "code": a_digest("code"),
        "input": "/in",
        "files": (InputFile(path="a.parquet", size=3, tag="blake3:a", rows=3),),
        "pieces": tuple(Piece(part=f"part-0000{at}.parquet", file=0) for at in range(3)),
        "batch_rows": 10,
    }
    return Work(**given | changed)  # type: ignore[arg-type]


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(FolderPlace(tmp_path))


def test_a_part_is_done_only_when_both_it_and_its_note_are_there(output: Output) -> None:
    put(output.place, "part-00000.parquet", b"whole, but nobody has said so")
    output.keep(DONE)
    assert output.done(work()) == {}
    put(output.place, DONE.part, b"part")
    assert output.done(work()) == {DONE.part: DONE}


def test_a_new_folder_is_free_and_others_files_are_never_touched(output: Output) -> None:
    assert list(taken(output, resume=False, overwrite=False)) == []
    put(output.place, "part-00000.parquet", b"")
    put(output.place, "notes.txt", b"a person's")
    for overwrite in (False, True):
        with pytest.raises(OutputTaken, match=r"notes\.txt"):
            taken(output, resume=False, overwrite=overwrite)


def test_what_is_begun_wants_a_word(output: Output) -> None:
    output.begin(Begun(id="batch-1", began=NOON, work=work()))
    with pytest.raises(OutputTaken) as caught:
        taken(output, resume=False, overwrite=False)
    assert "--resume" in caught.value.advice()
    assert list(taken(output, resume=True, overwrite=False)) == []
    assert list(taken(output, resume=False, overwrite=True)) == ["_noria/begun.json"]
    output.clear(["_noria/begun.json"])
    assert list(output.place.names()) == []


def test_parts_whose_batch_nobody_knows_are_not_gone_on_with(output: Output) -> None:
    put(output.place, "part-00000.parquet", b"")
    with pytest.raises(OutputTaken):
        taken(output, resume=True, overwrite=False)


def test_another_batch_is_not_gone_on_with() -> None:
    require_same(work(batch_rows=99), work(), (), id="batch-1", output="/out")
    changed = work(columns=("carrier",), files=(InputFile(path="a.parquet", size=3, tag="blake3:b", rows=3),))
    with pytest.raises(OtherBatch) as caught:
        require_same(changed, work(), (), id="batch-1", output="/out")
    assert caught.value.differs == ["files", "columns"]


def test_a_file_may_be_mended_until_one_of_its_parts_is_done() -> None:
    mended = work(files=(InputFile(path="a.parquet", size=4, tag="blake3:b", rows=3),))
    require_same(mended, work(), (), id="batch-1", output="/out")
    with pytest.raises(OtherBatch):
        require_same(mended, work(), {"part-00001.parquet"}, id="batch-1", output="/out")
    other = work(files=(InputFile(path="b.parquet", size=3, tag="blake3:a", rows=3),))
    with pytest.raises(OtherBatch):
        require_same(other, work(), (), id="batch-1", output="/out")


@pytest.mark.parametrize("address", ["answers.parquet", "s3://bucket/a.csv", "/x/y.NDJSON"])
def test_a_files_name_is_no_output(address: str) -> None:
    with pytest.raises(OutputIsFile):
        require_folder(address)


def signature(*answers: str) -> Signature:
    return Signature(
        request=(RequestColumn(name="id", type="int64"), RequestColumn(name="when", type="timestamp[us]")),
        key=("id",),
        time="when",
        answer=tuple(Column(name=name, type="double", nullable=False) for name in answers),
    )


def test_a_parts_columns() -> None:
    assert names_of(signature("answer"), ["carrier", "id"], refused=False).all == [
        "id",
        "when",
        "carrier",
        "answer",
        "version",
    ]
    odd = names_of(signature("version", "id"), ["refused"], refused=True)
    assert odd.all == ["id", "when", "refused", "version", "answer.id", "noria.version", "noria.refused"]


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(ColumnsTaken, match=r"answer\.x"):
        names_of(signature("x"), ["x", "answer.x"], refused=False)


def test_ids_sort_by_time() -> None:
    assert batch_id(NOON, 1) < batch_id(NOON.replace(hour=13), 0)
    assert Digest(work().digest) == digest_of(work())
