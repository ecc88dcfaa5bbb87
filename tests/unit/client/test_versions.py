"""`noria.versions`: what runs made."""

from __future__ import annotations

from pathlib import Path

import pytest

import noria
from noria.app.errors import BadReference, UnknownVersion
from noria.client import Versions
from noria.client.errors import Unsafe
from noria.records.artifacts import Artifact
from unit.app import stored


@pytest.fixture
def versions(flights: Path) -> Versions:
    return noria.versions("delay", project=flights)


def test_the_newest_first_and_the_champion(versions: Versions) -> None:
    assert [version.number for version in versions] == [3, 2, 1]
    assert len(versions) == 3
    assert versions.champion.name == "delay:1"
    assert versions.latest.name == "delay:3"
    assert versions.aliases == {"champion": 1}
    assert versions.champion.aliases == ("champion",)


def test_by_number_alias_and_name(versions: Versions) -> None:
    assert versions[2] == versions["2"] == versions["delay:2"] == versions[1:][0]
    assert versions["champion"] == versions["delay@champion"] == versions[1]


@pytest.mark.parametrize("key", [9, "challenger", "delay:9"])
def test_versions_that_are_not_there(versions: Versions, key: int | str) -> None:
    with pytest.raises(UnknownVersion, match=r"known: delay@champion, delay:3"):
        versions[key]
    with pytest.raises(BadReference):
        versions["no version"]


def test_what_a_version_says_of_itself(versions: Versions) -> None:
    version = versions[3]
    assert version.metrics == {"auc": 0.74, "log_loss": 0.5}
    assert [column.name for column in version.signature.request] == ["flight_id", "scheduled", "carrier"]
    assert [(verdict.gate, verdict.outcome) for verdict in version.gates] == [
        ("auc", "pass"),
        ("log_loss", "undecided"),
    ]
    assert version.run.name == "delay/5"
    assert version.parameters == {"classifier": {"learning_rate": 0.1}}
    assert version.commit == "2" * 40
    assert version.as_of == version.run.as_of


def test_the_table(versions: Versions) -> None:
    table = versions.table()
    assert table["name"].to_list() == ["delay:3", "delay:2", "delay:1"]
    assert table["passed"].to_list() == [False, False, True]
    assert table["aliases"].to_list() == [[], [], ["champion"]]
    assert table["auc"].to_list() == [0.74, 0.66, 0.71]


def test_a_version_with_pickled_parts_answers_only_when_one_says_so(tmp_path: Path) -> None:
    folder = stored.project(tmp_path / "p")
    with stored.opened(folder) as app:
        run = app.records.ledger.begin(stored.asked(app, 1, 0.1, at=stored.START), at=stored.START)
        loose: Artifact = app.artifacts.save(object, codec="pickle")
        from noria.records.events import VersionRegistered

        made = VersionRegistered(version=stored.version(run, 1, 0.7, loose))
        app.records.ledger.append("delay", [made], at=stored.START)
    with pytest.raises(Unsafe, match=r"delay:1 \(classifier\) is pickled"):
        noria.versions(project=folder)[1].predict(None)
