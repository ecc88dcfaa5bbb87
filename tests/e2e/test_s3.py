"""The whole wheel with its objects in a bucket on a real S3 server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.project import FIRST, PIPELINE, POLICY, Project
from e2e.test_wheel import ask, served
from servers_s3 import S3Server, environment

SECOND = "2024-02-20T00:00:00Z"


@pytest.fixture
def url(s3: S3Server) -> Iterator[str]:
    with environment(s3.variables()):
        yield s3.url()


@pytest.fixture
def project(make_project: Callable[..., Project], url: str) -> Project:
    return make_project(PIPELINE, f'{POLICY}\n[store]\nobjects = "{url}"\n')


def forget(project: Project) -> None:
    """As on another machine: nothing of the bucket is here."""
    shutil.rmtree(project.folder / ".noria" / "cache")


def bucket(url: str) -> Any:
    from obstore.store import from_url

    return from_url(url, client_options={"allow_http": True})


def steps(project: Project, run: str) -> dict[str, str]:
    """Each step's reason: `ran` or `reused`."""
    return {step["step"]: step["reason"]["type"] for step in project.json("show", run)["steps"]}


def answered(project: Project) -> dict[str, Any]:
    """What the champion answers, from a process that begins now."""
    row = {"id": "a", "asked": "2024-03-01T00:00:00Z", "warm": 20.0, "shop": "north"}
    with served(project, "--no-watch") as (connection, _):
        status, body = ask(connection, "/v1/models/demand/predict", {"rows": [row]})
        assert status == 200, body
        return dict(body)


def test_train_reuse_and_serve_from_any_machine(project: Project, url: str) -> None:
    project.noria("run", "--as-of", FIRST)
    assert not (project.folder / ".noria" / "objects").exists()
    stored = [one["path"] for page in bucket(url).list("objects") for one in page]
    assert len(stored) > 10
    forget(project)
    project.noria("run", "--as-of", FIRST)
    assert set(steps(project, "demand/2").values()) == {"ran", "reused"}
    assert steps(project, "demand/2")["model"] == "reused"
    forget(project)
    project.noria("run", "--as-of", SECOND)  # the gates compare with the champion, whose objects are fetched
    assert project.json("models")[0]["aliases"] == {"champion": 2}
    project.noria("audit")


def test_a_result_that_was_deleted_from_the_bucket_is_made_again(project: Project, url: str) -> None:
    project.noria("run", "--as-of", FIRST)
    made = next(step for step in project.json("show", "demand/1")["steps"] if step["step"] == "model")
    digest = made["outputs"]["model"]["digest"].removeprefix("blake3:")
    bucket(url).delete(f"objects/{digest[:2]}/{digest[2:]}")
    project.noria("run", "--as-of", FIRST)
    assert steps(project, "demand/2")["model"] == "ran"
    assert bucket(url).head(f"objects/{digest[:2]}/{digest[2:]}")["size"] > 0


def test_a_served_version_comes_out_of_the_bucket(project: Project) -> None:
    project.noria("run", "--as-of", FIRST)
    forget(project)
    assert answered(project)["version"] == 1


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, 4, "OBJECTS-CREDENTIALS"),
        ({"AWS_ACCESS_KEY_ID": "plain-key", "AWS_SECRET_ACCESS_KEY": "plain-secret"}, 4, "no-such-bucket"),
    ],
    ids=["wrong secret", "no bucket"],
)
def test_what_is_wrong_is_said_once_and_without_keys(
    make_project: Callable[..., Project], url: str, changed: dict[str, str], code: int, words: str
) -> None:
    place = "s3://no-such-bucket/p" if words == "no-such-bucket" else url
    project = make_project(PIPELINE, f'{POLICY}\n[store]\nobjects = "{place}"\n')
    with environment(changed):
        said = project.noria("run", exit=code).stderr
    assert words in said and place in said
    assert "Traceback" not in said and "secret" not in said.replace("AWS_SECRET_ACCESS_KEY", "").lower()


def test_credentials_in_the_url_are_refused(make_project: Callable[..., Project], tmp_path: Path) -> None:
    project = make_project(PIPELINE, f'{POLICY}\n[store]\nobjects = "s3://key:secret@bucket/p"\n')
    assert "without credentials" in project.noria("run", exit=2).stderr


FILES = """
import noria
import polars as pl

sales = noria.Pipeline("sales")


@sales.data(key="id")
def rows() -> pl.DataFrame:
    return pl.read_csv(noria.files("{url}/2024/**/*.csv"))
"""


def test_files_of_a_bucket_are_pinned_and_what_is_wrong_is_said(
    make_project: Callable[..., Project], url: str
) -> None:
    project = make_project(FILES.format(url=url), '[model.sales]\npipeline = "pipeline:sales"\n')
    for name in ("01", "02"):
        bucket(url).put(f"2024/{name}.csv", f"id\n{name}\n".encode())
    project.noria("run")
    bucket(url).delete("2024/01.csv")
    project.noria("run")
    assert "removed  01.csv" in project.noria("diff", "sales/1", "sales/2").stdout
    bucket(url).delete("2024/02.csv")
    assert f"error[FILES-NONE]: there is no file {url}/2024/**/*.csv" in project.noria("run", exit=3).stderr
    with environment({"AWS_SECRET_ACCESS_KEY": "not-the-secret"}):
        said = project.noria("run", exit=4).stderr
    assert "error[OBJECTS-CREDENTIALS]" in said and url in said
    assert "not-the-secret" not in said and "Traceback" not in said
