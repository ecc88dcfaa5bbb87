"""The Ray engine keeps the port's promises, on a real cluster of two nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from noria.adapters import ray_cluster as joining
from noria.adapters.folder import FolderStore
from noria.adapters.ray_engine import RayEngine
from noria.adapters.ray_wanted import Code, Wanted
from noria.artifacts.trees import materialise
from noria.pipeline.retrying import Retrying
from noria.ports.engine import Again, Started
from noria.records.base import Digest, canonical
from noria.records.needs import Needs, Retry
from noria.records.sources import Tree, TreeFile
from noria.testing.engine import EngineContract, Opened, Opener
from noria.testing.engine_pipeline import FILES
from noria.testing.engine_site import Site
from servers_ray import RayServer

STARVES = """
@p.step
def starves(*, mark=""):
    if not pathlib.Path(mark).exists():
        pathlib.Path(mark).touch()
        raise MemoryError("too much beside others")
    return 1
"""


def started(site: Site, id: str) -> list[str]:
    """Where each attempt of a job began."""
    return [one.where for one in site.heard[id] if isinstance(one, Started)]


def on_ray(address: str, folder: Path) -> Opened:
    state = folder / ".noria"
    store = FolderStore(state)
    code = Code(root=folder, project=folder, tree=partial(captured, folder, store), lay_out=materialise)
    objects = f"file://{quote(str(state))}"
    engine = RayEngine(Wanted(address=address), code, state=state, objects=objects, store=store, threads=1)
    return Opened(engine, store, state)


def captured(folder: Path, store: FolderStore) -> Digest:
    """The tree of a folder without a repository."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    kept = [TreeFile(path=one.name, digest=store.put(one.read_bytes()), mode=0o100644) for one in files]
    return store.put(canonical(Tree(files=tuple(kept))))


class TestRayEngine(EngineContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def joined(cls, ray_cluster: RayServer) -> Iterator[None]:
        """Joined once for all of these tests: it takes some seconds."""
        cluster = joining.join(ray_cluster.address)
        yield
        joining.leave(cluster)

    @pytest.fixture
    def opener(self, ray_cluster: RayServer) -> Opener:
        return partial(on_ray, ray_cluster.address)

    def test_a_step_that_lacked_memory_is_tried_again_alone_on_the_roomiest_node(
        self, opener: Opener, tmp_path: Path, ray_cluster: RayServer
    ) -> None:
        for name, text in FILES.items():
            (tmp_path / name).write_text(text + (STARVES if name == "pipeline.py" else ""))
        opened = opener(tmp_path)
        site = Site(tmp_path, Opened(Retrying(opened.engine), opened.store, opened.state))
        try:
            holding = {f"held {n}": tmp_path / f"answer {n}" for n in range(3)}
            for id, answer in holding.items():
                site.submit("asks", id=id, given={"answer": str(answer)})
            site.hear(lambda: all(map(site.lines, holding)))
            large = f"{ray_cluster.address.rpartition('.')[0]}.3"
            first, second = [id for id in holding if started(site, id) == [large]]
            holding[first].touch()
            site.end(first)
            site.submit("starves", given={"mark": str(tmp_path / "tried")}, retry=Retry(wait=0.01))
            site.hear(
                lambda: site.last("starves") or any(isinstance(one, Again) for one in site.heard["starves"])
            )
            holding[second].touch()
            site.end("starves")
            assert started(site, "starves") == [large, large]
            assert site.stored(site.done("starves"), "starves") == 1
            (third,) = holding.keys() - {first, second}
            assert site.last(third) is None, "on the other node all goes on"
        finally:
            site.engine.close()

    def test_an_environment_that_is_not_on_a_node_is_told_with_the_node(
        self, site: Site, tmp_path: Path, ray_cluster: RayServer
    ) -> None:
        both = Needs(cpus=2)  # which the other node alone has
        broke = site.broke("noop", needs=both, python=tmp_path / "bin" / "python")
        node = f"{ray_cluster.address.rpartition('.')[0]}.3"
        assert f"which node {node} cannot start: No such file or directory" in str(broke.error)
        assert "NORIA_ENVIRONMENTS" in broke.error.advice() and broke.fault == "code"

    def test_nodes_that_do_not_see_a_folder_are_named(
        self, opener: Opener, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        opened = opener(folder)
        assert isinstance(opened.engine, RayEngine)
        with opened.engine as engine:
            assert engine.blind(tmp_path / "shared") == []
            assert len(engine.blind(Path("/proc/self/cwd/own"))) == 2, "another folder in each process"

    def test_a_breakpoint_of_the_driver_stays_pythons(self) -> None:
        """Ray makes it its own debugger's, in all that this process starts, too."""
        assert os.environ.get("PYTHONBREAKPOINT") is None
