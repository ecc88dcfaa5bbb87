"""A service that begins while its object store is away: slow at first, and fast once the store is back."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from integration.fast_world import ROW, fast_world
from integration.serving_world import World, service, until
from noria.records.base import canonical
from noria.records.events import VersionRegistered
from noria.records.sources import Tree, TreeFile
from noria.records.versions import ServingGraph
from noria.testing.engine_site import alive

PIPELINE = """
from datetime import datetime
import noria
import numpy as np
import polars as pl

quick = noria.Pipeline("quick")

@quick.data(key="id")
def rows(as_of: datetime) -> pl.DataFrame: ...

@quick.step
def c(rows: pl.DataFrame) -> dict: ...

@quick.predict
def p(c: dict, rows: pl.DataFrame) -> np.ndarray:
    return np.full(len(rows), c["slow"])
"""
SLOW = -1.0
"""What the graph answers, and no logistic regression."""


def with_graph(state: Path) -> World:
    """A champion that can answer by its graph too, which says so by its answers."""
    world = fast_world(state)
    frozen = {"c": world.artifacts.save({"slow": SLOW})}
    file = TreeFile(path="pipeline.py", digest=world.store.put(PIPELINE.encode()))
    version = replace(
        world.versions[1],
        number=2,
        graph=ServingGraph(pipeline="pipeline:quick", data="rows", transforms=(), predict="p", frozen=frozen),
        source=replace(world.versions[1].source, tree=world.store.put(canonical(Tree(files=(file,))))),
    )
    world.records.ledger.append("quick", [VersionRegistered(version=version)], at=datetime.now(UTC))
    world.versions[2] = version
    world.promote(2)
    return world


@pytest.mark.parametrize(
    "options", [(), ("--workers", "2"), ("--grpc-port", "0")], ids=["one", "two", "grpc"]
)
def test_who_came_up_without_the_fast_form_is_replaced_once_it_can_be_had(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    world = with_graph(tmp_path / "state")
    fast = world.versions[2].fast
    assert fast is not None
    (stored,) = world.state.rglob(f"*{fast.compiled['c'].digest.rpartition(':')[2][4:]}*")
    away = stored.rename(tmp_path / "away")
    with service(world, *options) as running:

        def answered() -> set[float]:
            """By whoever takes one of some new connections, and by the one that was always there."""
            with ExitStack() as opened:
                clients = [
                    opened.enter_context(httpx.Client(base_url=running.url, timeout=60)) for _ in range(8)
                ]
                return {answer(client) for client in (*clients, running.client)}

        assert answered() == {SLOW}
        workers = running.workers()
        away.rename(stored)
        until(lambda: SLOW not in answered(), 60, "the fast form")
        until(lambda: not any(map(alive, workers)), 60, "the ends of those who had it not")
        assert SLOW not in answered()
        told = [each["event"] for each in running.events()]
        assert not {"worker.lost", "worker.failed", "spare.failed", "renewal.failed", "fleet.broke"} & {*told}
    world.records.close()


def answer(client: httpx.Client) -> float:
    response = client.post("/v1/models/quick/predict", json=ROW)
    assert response.status_code == 200, response.text
    return float(response.json()["predictions"][0]["answer"])
