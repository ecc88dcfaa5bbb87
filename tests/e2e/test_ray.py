"""`noria run` on a Ray cluster of two nodes, with its objects in a bucket on a real S3 server, and its records on a
real PostgreSQL where runs are long."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.project import FIRST, PIPELINE, POLICY, Project
from e2e.test_crashes import gone, until
from servers import PostgresServer, postgres
from servers_ray import RayServer, own_cluster
from servers_s3 import S3Server, environment

BAGGED = PIPELINE.replace(
    """@demand.step
def model(train: pl.DataFrame, *, recent_days: int = 15) -> np.ndarray:
""",
    """@demand.step
def bags():
    return [0, 1, 2, 3]


@demand.step
def bag(bags: noria.Each[int], train: pl.DataFrame, *, recent_days: int = 15) -> np.ndarray:
    train = train.sample(fraction=0.8, seed=bags)
    noria.log(rows=train.height)
    print("bag", bags)
""",
).replace(
    """@demand.predict
""",
    """@demand.step
def model(bag):
    return np.mean(bag, axis=0)


@demand.predict
""",
)
ENGINE = '[engine]\nkind = "ray"\nvariables = ["AWS_*"]\n'

WAITS = """
import os, time
from pathlib import Path
import noria

HERE = Path("@here@")
slow = noria.Pipeline("slow")


@slow.step
def parts():
    with open(HERE / "first.count", "a") as file:
        file.write("x")
    return [1, 2, 3]


@slow.step
def waits(parts: noria.Each[int]):
    begun = HERE / f"begun.{parts}.{os.getpid()}.tmp"
    begun.write_text(os.environ.get("TMPDIR", "/tmp"))
    begun.rename(begun.with_suffix(".there"))
    while not (HERE / "go").exists():
        time.sleep(0.01)
    return parts + 1


@slow.step
def total(waits):
    return sum(waits)
"""
SLOW = '[model.slow]\npipeline = "pipeline:slow"\n'


def begun(project: Project) -> dict[int, str]:
    """Items that have begun: their processes, and each one's node by its temporary folder."""
    return {int(path.name.split(".")[2]): path.read_text() for path in project.folder.glob("begun.*.there")}


def slow(make_project: Callable[..., Project], url: str, tmp_path: Path, records: str = "") -> Project:
    pipeline = WAITS.replace("@here@", str(tmp_path / "project"))
    project = make_project(pipeline, f"{SLOW}{ENGINE}\n{store(url, records)}")
    project.write(".gitignore", "begun*\ngo\n*.count\n")
    project.commit()
    return project


def store(objects: str, records: str = "") -> str:
    """Where all is kept; without `records`, those are in the project's own folder."""
    lines = ["[store]", f'objects = "{objects}"', *([f'records = "{records}"'] if records else [])]
    return "\n".join(lines) + "\n"


def steps(shown: dict[str, Any]) -> dict[str, Any]:
    return {step["step"]: step for step in shown["steps"]}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as started:
        yield started


@pytest.fixture
def url(s3: S3Server) -> Iterator[str]:
    with environment(s3.variables()):
        yield s3.url()


@pytest.fixture
def on_ray(ray_cluster: RayServer) -> Iterator[None]:
    with environment(ray_cluster.variables()):
        yield


def test_the_same_version_from_cluster_bucket_and_postgres_as_from_one_machine(
    make_project: Callable[..., Project], url: str, server: PostgresServer, on_ray: None
) -> None:
    here = make_project(BAGGED, POLICY, "here")
    there = make_project(BAGGED, f"{POLICY}\n{ENGINE}\n{store(url, server.database())}", "there")
    here.noria("run", "--as-of", FIRST)
    told = there.noria("run", "--as-of", FIRST)
    assert "bag 3" in told.stderr
    local, ray = (project.version("demand:1") for project in (here, there))
    assert local["graph"]["frozen"] == ray["graph"]["frozen"]
    assert local["quality"] == ray["quality"]
    one, other = (steps(project.json("show", "demand/1")) for project in (here, there))
    assert {name: step["outputs"] for name, step in one.items()} == {
        name: step["outputs"] for name, step in other.items()
    }
    assert len({step["where"] for step in other.values() if step.get("where")}) == 2, "both nodes had work"
    there.noria("run", "--as-of", FIRST)
    again = steps(there.json("show", "demand/2"))
    assert again["model"]["reason"]["type"] == "reused"
    engine = next(one for one in there.json("doctor") if one["part"] == "engine")
    assert "faults" not in there.json("audit")[0]
    assert (
        not (there.folder / ".noria" / "noria.db").exists()
        and not (there.folder / ".noria" / "objects").exists()
    )
    assert engine["state"] == "well" and "1 core" in engine["what"] and "2 cores" in engine["what"]


def test_a_killed_driver_leaves_nothing_and_the_next_run_goes_on(
    make_project: Callable[..., Project], url: str, server: PostgresServer, on_ray: None, tmp_path: Path
) -> None:
    project = slow(make_project, url, tmp_path, server.database())
    driver = project.start("run")
    until(lambda: begun(project) or driver.poll() is not None, "an item began")
    pids = begun(project)
    driver.kill()
    driver.communicate()
    until(lambda: project.json("runs")[0]["state"] == "killed", "the server has let go of the lease")
    until(lambda: all(map(gone, pids)), "the items ended with their driver")
    project.write("go", "")
    project.noria("run")
    assert project.json("runs")[0]["name"] == "slow/1"
    assert (project.folder / "first.count").read_text() == "x"


def test_a_node_that_is_lost_costs_its_steps_another_try(
    make_project: Callable[..., Project], url: str, tmp_path: Path
) -> None:
    with own_cluster() as cluster, environment(cluster.variables()):
        project = slow(make_project, url, tmp_path)
        driver = project.start("run")
        until(lambda: len(begun(project)) == 3 or driver.poll() is not None, "all items began")
        cluster.kill(3)
        project.write("go", "")
        out, err = driver.communicate(timeout=180)
        assert driver.returncode == 0, f"{out}\n{err}"
        assert "raylet" not in out and "health" not in out, "what Ray says of a lost node is no result"
        told = steps(project.json("show", "slow/1"))
        notes = [note for step in told.values() for note in step.get("notes", ())]
        assert any("ended with its node" in note for note in notes)
        assert told["total"]["outputs"]["total"]["digest"] == digest_of_nine()


def digest_of_nine() -> str:
    from noria.records.base import digest_bytes

    return digest_bytes(b"9")


def test_a_bucket_that_the_nodes_cannot_read_is_told_before_anything_runs(
    make_project: Callable[..., Project], url: str, on_ray: None, tmp_path: Path
) -> None:
    project = slow(make_project, url, tmp_path)
    project.replace("noria.toml", 'variables = ["AWS_*"]\n', "")
    told = project.noria("run", exit=2).stderr
    assert "error[RAY-NODES]: 2 of the cluster's nodes cannot run steps" in told
    assert "does not see the object store" in told and 'variables = ["AWS_*"]' in told
    assert not (project.folder / "first.count").exists()


def test_an_address_without_a_cluster_is_told_at_once(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(
        WAITS.replace("@here@", str(tmp_path)), f'{SLOW}[engine]\nkind = "ray"\naddress = "127.0.0.1:9"\n'
    )
    told = project.noria("run", exit=2).stderr
    assert "error[RAY-NO-ANSWER]: no Ray cluster answers at 127.0.0.1:9: Connection refused" in told


@pytest.mark.soak
def test_without_an_address_ray_is_started_here_and_ends_with_the_run(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    pipeline = WAITS.replace("@here@", str(tmp_path / "project"))
    project = make_project(pipeline, f'engine = "ray"\n{SLOW}')
    driver = project.start("run")
    until(lambda: begun(project) or driver.poll() is not None, "an item began")
    pids = begun(project)
    driver.send_signal(signal.SIGINT)
    _, err = driver.communicate(timeout=120)
    assert driver.returncode == 130, err
    until(lambda: all(map(gone, pids)), "the items ended with their driver")
    project.write("go", "")
    project.noria("run")
    assert (project.folder / "first.count").read_text() == "x", "what had finished was reused"


def test_environments_of_steps_that_the_nodes_do_not_see_are_told_beforehand(
    make_project: Callable[..., Project], on_ray: None, tmp_path: Path
) -> None:
    pipeline = PIPELINE.replace("@demand.step\ndef model", '@demand.step(environment="gpu")\ndef model')
    project = make_project(pipeline, f"{POLICY}\n{ENGINE}\n{store(f'file://{tmp_path}/objects')}")
    with environment({"NORIA_ENVIRONMENTS": "/proc/self/cwd/own"}):  # another folder in each process
        engine = next(one for one in project.json("doctor") if one["part"] == "engine")
    assert engine["state"] == "weak"
    assert "not see /proc/self/cwd/own, where environments of steps are built: gpu" in engine["what"]
    assert "NORIA_ENVIRONMENTS" in engine["next"]
