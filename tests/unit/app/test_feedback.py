"""Labels by id, by key and from files, checked before anything is stored."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from noria.adapters.log_writer import LogWriter
from noria.app.errors import UnknownVersion
from noria.app.feedback import BadFeedback, Given, give, give_file
from noria.app.wiring import App
from noria.errors import Conflict, NotFound
from noria.ports.serving import Answered
from unit.app.stored import START, history, opened, project


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return history(tmp_path_factory.mktemp("flights"))


@pytest.fixture
def app(flights: Path, tmp_path: Path) -> Iterator[App]:
    with opened(Path(shutil.copytree(flights, tmp_path / "own"))) as app:
        yield app


def answered(app: App, count: int) -> list[str]:
    """Ids of answers that the service gave."""
    keys = pa.array([str(number) for number in range(count)])
    times = pa.array([START] * count, pa.timestamp("us", tz="UTC"))
    columns = {
        "at": times,
        "time": times,
        "key": keys,
        "unit": keys,
        "answer.answer": pa.array([0.5] * count),
    }
    log = LogWriter(app.state / "log", "delay")
    ids = log.append(Answered(version=1, rows=pa.RecordBatch.from_pydict(columns)))
    log.close()
    return list(ids)


def labels(app: App, by: str, *refs: str) -> dict[str, object]:
    return {ref: item.label for ref, item in app.records.feedback.current("delay", by, refs).items()}


def test_by_id(app: App) -> None:
    first, second = answered(app, 2)
    assert give(app, "delay", "true", id=first) == Given(stored=1)
    assert give(app, "delay", "true", id=first) == Given(repeated=1)
    assert labels(app, "id", first, second) == {first: True}


def test_an_id_that_no_answer_had(app: App) -> None:
    with pytest.raises(NotFound, match="nope"):
        give(app, "delay", "true", id="nope")


def test_a_contradiction_needs_to_be_a_correction(app: App) -> None:
    (first,) = answered(app, 1)
    give(app, "delay", "true", id=first)
    with pytest.raises(Conflict):
        give(app, "delay", "false", id=first)
    assert give(app, "delay", "false", id=first, correction=True) == Given(corrected=1)
    assert labels(app, "id", first) == {first: False}


def test_a_key_may_come_before_its_prediction(app: App) -> None:
    known = datetime(2025, 3, 2, tzinfo=UTC)
    assert give(app, "delay", "1", key="0017", known=known) == Given(stored=1)
    (item,) = app.records.feedback.current("delay", "key", ["17"]).values()
    assert (item.label, item.known) == (True, known), (
        "the key is an integer, as the log writes it; the label a bool"
    )


@pytest.mark.parametrize(
    ("label", "key", "problem"),
    [
        ("maybe", "17", 'given "maybe", expected true or false'),
        ("", "17", "the label is empty"),
        ("true", "abc", 'given "abc", expected an integer .* as flight_id'),
    ],
)
def test_what_does_not_fit_the_training_data(app: App, label: str, key: str, problem: str) -> None:
    with pytest.raises(BadFeedback, match=problem):
        give(app, "delay", label, key=key)


FRAME = pl.DataFrame(
    {
        "flight_id": [7, 8, 9],
        "label": [True, False, True],
        "known": [START, None, START],
    }
)


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_a_file_is_stored_once(app: App, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"labels.{kind}"
    getattr(FRAME, f"write_{kind}")(path)
    assert give_file(app, "delay", path) == Given(stored=3)
    assert give_file(app, "delay", path) == Given(repeated=3)
    assert labels(app, "key", "7", "8", "9") == {"7": True, "8": False, "9": True}
    assert app.records.feedback.current("delay", "key", ["7"])["7"].known == START
    assert app.records.feedback.current("delay", "key", ["8"])["8"].known == app.clock.now()


def test_a_file_of_ids(app: App, tmp_path: Path) -> None:
    ids = answered(app, 3)
    pl.DataFrame({"id": ids, "label": ["1", "0", "true"]}).write_csv(tmp_path / "labels.csv")
    assert give_file(app, "delay", tmp_path / "labels.csv") == Given(stored=3)
    assert list(labels(app, "id", *ids).values()) == [True, False, True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("flight_id,label\n1,true\n2,perhaps\n", 'labels.csv, row 2: given "perhaps", expected true'),
        ("flight_id,label\n1,true\n2,\n", "labels.csv, row 2: the label is empty"),
        ("flight,label\n1,true\n", "has no column flight_id; it has flight, label"),
        ("flight_id,label,known\n1,true,soon\n", 'row 1, known: given "soon", expected a time'),
    ],
)
def test_one_bad_row_and_nothing_is_stored(app: App, tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(BadFeedback, match=problem):
        give_file(app, "delay", tmp_path / "labels.csv")
    assert labels(app, "key", "1") == {}


@pytest.mark.parametrize(
    ("name", "problem"), [("labels.xlsx", "unknown kind"), ("gone.csv", "cannot be read")]
)
def test_files_that_cannot_be_read(app: App, tmp_path: Path, name: str, problem: str) -> None:
    with pytest.raises(BadFeedback, match=problem):
        give_file(app, "delay", tmp_path / name)


def test_a_model_without_a_version_takes_no_labels(tmp_path: Path) -> None:
    with opened(project(tmp_path)) as app, pytest.raises(UnknownVersion):
        give(app, "delay", "true", key="1")
