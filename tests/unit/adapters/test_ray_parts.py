"""The parts of the Ray engine that need no cluster."""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from noria.adapters import ray_cluster, ray_probe, ray_release
from noria.adapters.local_capacity import usable_cores
from noria.adapters.ray_cluster import Node, named
from noria.adapters.ray_cores import claimed
from noria.adapters.ray_node import ForeignFolder, node_folder, tidy
from noria.adapters.ray_room import Room
from noria.adapters.ray_spool import Copies, Tail
from noria.adapters.ray_troubles import trouble
from noria.adapters.ray_wire import Figures
from noria.errors import ConfigError
from noria.ports.engine import Job
from noria.records.needs import Needs
from noria.records.tasks import RunStep

TASK = RunStep(
    pipeline="p:p", step="fit", inputs={}, as_of=datetime(2024, 1, 1, tzinfo=UTC), run="p/1", item=(2,)
)
SMALL = Node("a", "small", True, 1, 0, 2 << 30)
LARGE = Node("b", "large", True, 8, 2, 64 << 30)


class Nodes:
    """A cluster whose nodes come and go as a test says."""

    def __init__(self, *nodes: Node) -> None:
        self.present: Sequence[Node] = nodes

    def nodes(self) -> tuple[Node, ...]:
        return tuple(self.present)


def room(*nodes: Node) -> tuple[Nodes, Room]:
    cluster = Nodes(*nodes)
    return cluster, Room(cluster)  # type: ignore[arg-type]  # it asks for the nodes alone


def test_releases_of_ray_are_those_that_the_package_asks_for() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    asked = Requirement(project["optional-dependencies"]["ray"][0]).specifier
    assert asked == ray_release.TRIED
    ray_release.check_release("2.60.0")


@pytest.mark.parametrize("found", ["2.59.1", "3.0.0", "3.0.0.dev0"])
def test_another_release_of_ray_is_told(found: str) -> None:
    with pytest.raises(ConfigError, match=f"Ray {found} is installed here") as told:
        ray_release.check_release(found)
    assert "2.60" in str(told.value) and "noria[ray]" in told.value.advice()


def test_a_cluster_of_another_release_is_told_with_both() -> None:
    utils = pytest.importorskip("ray._private.utils", reason="pip install 'noria[ray]'")
    with pytest.raises(RuntimeError) as raised:
        utils.check_version_info({"ray_version": "2.50.1", "python_version": "3.9.4"}, "here")
    told = ray_release.differs("10.0.0.5:6379", raised.value)
    assert told is not None and "10.0.0.5:6379 runs Ray 2.50.1 on Python 3.9.4" in str(told)
    assert f"this machine has Ray {metadata.version('ray')} on Python" in str(told)
    assert ray_release.differs("10.0.0.5:6379", RuntimeError("something else")) is None


def test_a_node_that_was_lost_could_once_have_done_it() -> None:
    cluster, found = room(SMALL, LARGE)
    assert found.ever(Needs(gpus=2)) and found.now(Needs(gpus=2))
    cluster.present = [SMALL, Node("b", "large", False, 0, 0, 0)]  # as Ray lists it then
    assert found.ever(Needs(gpus=2)) and not found.now(Needs(gpus=2))
    assert found.roomiest(Needs(gpus=2)) is None
    assert found.name("b") == "large"


def test_the_roomiest_node_is_one_that_is_large_enough() -> None:
    _, found = room(SMALL, LARGE)
    assert found.roomiest(Needs(memory=4 << 30)) == LARGE
    assert not found.ever(Needs(cpus=9))
    text = str(found.too_large(Job(id="fit", task=TASK, needs=Needs(cpus=9, memory=1 << 30))))
    assert text.startswith("step fit[2] asks for 9 cores, 1,024 MiB of memory, and no node")
    assert "large has 8 cores, 2 GPUs" in text


def test_nodes_are_called_by_their_hosts_unless_these_are_shared() -> None:
    def one(host: str, ip: str, alive: bool = True) -> dict[str, Any]:
        facts = {"NodeID": ip, "NodeManagerHostname": host, "NodeManagerAddress": ip, "Alive": alive}
        return {**facts, "Resources": {"CPU": 2.0}}

    found = named([one("x", "1"), one("x", "2"), one("y", "3")])
    assert [node.name for node in found] == ["1", "2", "y"]
    assert found[0].cpus == 2 and found[0].gpus == 0


HERE: dict[str, Any] = {
    "noria": "1.0",
    "python": "3.12.1",
    "packages": {"noria": "1.0", "numpy": "2.1", "ruff": "1"},
}


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({}, []),
        ({"noria": None}, ["n1 has no Noria"]),
        ({"python": "3.12.2"}, ["n1 has Python 3.12.2, and this machine 3.12.1"]),
        ({"noria": "0.9"}, ["n1 has Noria 0.9, and this machine 1.0"]),
        ({"packages": {"numpy": "2.2", "more": "1"}}, ["n1 has other versions of numpy (2.2, here 2.1)"]),
        ({"store": "NotFound: no"}, ["n1 does not see the object store s3://b: NotFound: no"]),
    ],
)
def test_what_keeps_a_node_from_running_steps(there: dict[str, Any], said: list[str]) -> None:
    assert ray_probe.faults("n1", {**HERE, "store": None, **there}, HERE, "s3://b") == said


def test_the_probe_says_what_this_process_says(tmp_path: Path) -> None:
    seen = ray_probe.look("n1", f"file://{tmp_path}", None, {})
    assert {name: seen[name] for name in ray_probe.ours()} == ray_probe.ours()
    assert seen["store"] is None and seen["mark"]
    blind = ray_probe.look("n1", f"file://{tmp_path}", "blake3:" + "0" * 64, {})
    assert "ObjectMissing" in blind["store"]


def test_what_a_step_logs_comes_in_parts_and_goes_with_its_result(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    folder = there / "spool" / "p" / "1"
    folder.mkdir(parents=True)
    (folder / "fit[2].1-1.spool").write_bytes(b"of an attempt before")
    tail, copies = Tail(there, TASK), Copies(here)
    spool = folder / "fit[2].2-2.spool"
    (folder / "fit[22].2-2.spool").write_bytes(b"of another item")
    for part in (b"one", b"two"):
        with spool.open("ab") as file:
            file.write(part)
        for figures in tail.news(over=part == b"two"):
            copies.add("fit[2]", figures)
    copy = here / "spool" / "p" / "1" / spool.name
    assert copy.read_bytes() == b"onetwo"
    assert not spool.exists()
    copies.drop("fit[2]")
    assert list(copy.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["spool/../../x.spool", "elsewhere/x.spool", "/spool/x.spool", "spool/x.py"])
def test_a_node_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no spool"):
        Copies(tmp_path).add("a", Figures(spool=name, data=b"x"))


def test_cores_have_one_holder(tmp_path: Path) -> None:
    all_ = usable_cores()
    with claimed(1, tmp_path) as first, claimed(len(all_) - 1, tmp_path) as rest:
        assert sorted([*first, *rest]) == all_
        with claimed(1, tmp_path) as none:
            assert none == []
    with claimed(len(all_), tmp_path) as again:
        assert again == all_


def test_old_trees_go(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / "code" / name).mkdir(parents=True)
    os.utime(tmp_path / "code" / "old", (0, 0))
    tidy(tmp_path)
    assert [path.name for path in (tmp_path / "code").iterdir()] == ["new"]
    tidy(tmp_path, now=time.time() + 8 * 86_400)
    assert list((tmp_path / "code").iterdir()) == []


def test_the_nodes_folder_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert node_folder().stat().st_mode & 0o077 == 0
    node_folder().rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"noria-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ForeignFolder):
        node_folder()


def test_what_ray_says_is_translated() -> None:
    from ray import exceptions

    job = Job(id="fit", task=TASK)
    error, fault = trouble(job, exceptions.WorkerCrashedError(), "n1")
    assert (error.code, fault) == ("NODE-LOST", "lost")
    assert str(error).startswith("step fit[2] ended with its node n1: The worker died unexpectedly")
    error, fault = trouble(job, exceptions.OutOfMemoryError("full"), "n1")
    assert (error.code, fault) == ("NODE-MEMORY", "memory")
    error, fault = trouble(job, ModuleNotFoundError("No module named 'noria'"), "")
    assert (error.code, fault) == ("RAY-SEAT", "code")
    assert "No module named 'noria'" in str(error)


def test_without_ray_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError) as caught:
        ray_cluster.join(None)
    assert caught.value.code == "RAY-NOT-INSTALLED"
    assert "pip install 'noria[ray]'" in caught.value.advice()
