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
from noria.records.base import Digest, canonical
from noria.records.sources import Tree, TreeFile
from noria.testing.engine import EngineContract, Opened, Opener
from servers_ray import RayServer


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

    def test_a_breakpoint_of_the_driver_stays_pythons(self) -> None:
        """Ray makes it its own debugger's, in all that this process starts, too."""
        assert os.environ.get("PYTHONBREAKPOINT") is None
