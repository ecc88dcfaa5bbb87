"""What was answered, as people ask for it: a table, lines, a file, a frame; and from one answer back to its origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import noria
from e2e.project import Project
from e2e.test_wheel import ask, served

pytestmark = pytest.mark.slow


def rows(*names: str) -> list[dict[str, Any]]:
    return [
        {"id": name, "asked": "2024-02-11T10:00:00Z", "warm": 10.0 + at, "shop": "north"}
        for at, name in enumerate(names)
    ]


def test_from_answers_to_tables_and_back_to_their_origin(trained: Project, tmp_path: Path) -> None:
    trained.write(
        "noria.toml",
        (trained.folder / "noria.toml").read_text() + '\n[service.log]\nkeep = "90d"\nhash = ["id"]\n',
    )
    early = trained.noria("feedback", "demand", "--key", "b", "21.5")
    assert "1 label stored" in early.stdout, "before its prediction"
    with served(trained, "--no-watch") as (connection, _):
        made = [
            each
            for names in (("a", "b"), ("c",))
            for each in ask(connection, "/v1/models/demand/predict", {"rows": rows(*names)})[1]["predictions"]
        ]
    ids = [each["id"] for each in made]
    trained.noria("feedback", "demand", "--id", ids[2], "30")
    trained.noria("feedback", "demand", "--id", ids[2], "31", exit=3)
    trained.noria("feedback", "demand", "--id", ids[2], "31", "--correction")

    said = trained.noria("predictions", "demand").stdout.splitlines()
    assert said[0].split() == ["id", "at", "version", "key", "answer", "label", "ms"]
    assert [line.split()[0] for line in said[1:]] == ids[::-1], "the newest first"
    lines = [json.loads(line) for line in trained.noria("predictions", "--json").stdout.splitlines()]
    assert [(line["id"], line.get("label")) for line in lines] == [
        (ids[2], 31.0),
        (ids[1], 21.5),
        (ids[0], None),
    ]
    assert lines[2]["answer"] == {"answer": made[0]["answer"]}
    assert lines[2]["request"]["warm"] == 10.0 and lines[2]["request"]["id"] == lines[2]["key"] != "a"
    (one,) = trained.noria("predictions", "--json", "--key", "b").stdout.splitlines()
    assert json.loads(one)["id"] == ids[1]
    assert len(trained.noria("predictions", "--json", "--limit", "2").stdout.splitlines()) == 2
    assert trained.noria("predictions", "--until", "1h", "--json").stdout == ""
    trained.noria("predictions", "--since", "1h", "--output", str(tmp_path / "hour.parquet"))
    assert pl.read_parquet(tmp_path / "hour.parquet")["label"].to_list() == [31.0, 21.5, None]
    frame = noria.predictions("demand", since="1h", version=1, project=trained.folder)
    assert frame["id"].to_list() == ids[::-1] and frame["label"].to_list() == [31.0, 21.5, None]

    told = trained.noria("trace", ids[1]).stdout
    commit = trained.git("rev-parse", "HEAD").strip()
    for words in (
        f"{ids[1]}  answered by demand:1",
        "label    21.5",
        "@champion was demand:1",
        commit[:9],
        "demand/1",
    ):
        assert words in told, told
    found = trained.json("trace", "--key", "c", "--model", "demand")
    assert (found["id"], found["run"], found["source"]["commit"]) == (ids[2], "demand/1", commit)
    assert found["prediction"]["label"] == 31.0
    assert {verdict["gate"] for verdict in found["judgement"]["verdicts"]} >= {"r2"}
    assert found["aliases"][0]["alias"] == "champion" and found["data"]["rows"] > 0

    (status,) = trained.json("status")
    assert status["labels"]["ages"] == [{"labelled": 2, "owed": 1}], "asked for a day long past"
    assert "older" in trained.noria("status").stdout


@pytest.mark.parametrize(
    ("words", "exit", "code"),
    [
        (["predictions", "demand", "--since", "yesterday"], 2, "USAGE"),
        (["predictions", "demand", "--version", "9"], 3, "VERSION-UNKNOWN"),
        (["predictions", "nobody"], 3, "MODEL-UNKNOWN"),
        (["predictions", "demand", "--id", "0123456789abc-0000000"], 3, "PREDICTION-UNKNOWN"),
        (["predictions", "demand", "--output", "all.xlsx"], 2, "OUTPUT-FORM"),
        (["predictions", "demand", "--output", "/nowhere/all.parquet"], 2, "OUTPUT-REFUSED"),
        (["predictions", "demand", "--key", "a", "--id", "b"], 2, "USAGE"),
        (["trace"], 2, "USAGE"),
        (["trace", "no-id"], 3, "PREDICTION-UNKNOWN"),
        (["trace", "--key", "zzz"], 3, "PREDICTION-KEY"),
    ],
)
def test_what_cannot_be_found_is_said(trained: Project, words: list[str], exit: int, code: str) -> None:
    assert f"error[{code}]" in trained.noria(*words, exit=exit).stderr


def test_a_slip_in_a_hidden_column_is_told_before_anything_is_served(trained: Project) -> None:
    trained.write(
        "noria.toml", (trained.folder / "noria.toml").read_text() + '\n[service.log]\nredact = ["shp"]\n'
    )
    done = trained.noria("serve", "demand@champion", "--port", "0", exit=2)
    assert "error[LOG-COLUMN-UNKNOWN]" in done.stderr and "did you mean shop?" in done.stderr
