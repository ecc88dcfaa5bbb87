"""A state folder with versions of a small model, registered by hand, and the service process over it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pyarrow as pa

from noria.adapters.folder import FolderStore
from noria.adapters.sql import open_records
from noria.artifacts import Artifacts
from noria.artifacts.trees import materialise
from noria.declare import resolve
from noria.graph.load import forget, load_pipeline
from noria.graph.open import open_graph
from noria.graph.rows import visible
from noria.graph.signature import sign
from noria.records.base import canonical, digest_bytes
from noria.records.events import AliasMoved, VersionRegistered
from noria.records.runs import DataVersion
from noria.records.sources import Environment, Source, Tree, TreeFile
from noria.records.tasks import Sign
from noria.records.versions import ServingGraph, Version

PIPELINE = """
from datetime import datetime
import noria
import numpy as np
import polars as pl
from helper import BIAS

{broken}
rides = noria.Pipeline("rides")

@rides.data(key="ride", time="asked", known="ended", label="minutes", unit="driver", unknown="{unknown}")
def asked_rides(as_of: datetime) -> pl.DataFrame:
    raise RuntimeError("the service never reads data")

@rides.transform
def features(asked_rides: pl.DataFrame) -> pl.DataFrame:
    return asked_rides.select(
        "passengers",
        km=pl.col("km").fill_null(0.0),
        hour=pl.col("asked").dt.hour(),
        zone=pl.col("zone").replace_strict({{"north": 1.0, "south": 2.0}}, default=0.5),
        recent=pl.col("recent").list.mean().fill_null(0.0),
        pooled=pl.col("pooled").cast(pl.Float64),
    )

@rides.step
def weights(features: pl.DataFrame) -> dict:
    raise RuntimeError("the service never trains")

@rides.predict
def minutes(weights: dict, features: pl.DataFrame) -> np.ndarray:
    if (features["passengers"] == 99).any():
        raise ZeroDivisionError("/secret/path of the user's own code")
    if (features["passengers"] == 98).any():
        raise SystemExit(3)
    answer = sum(features[name].to_numpy() * weight for name, weight in weights.items()) + BIAS
    answer[(features["passengers"] == 97).fill_null(False).to_numpy()] = np.nan
    return answer
"""

WEIGHTS = {"km": 2.1, "hour": 0.1, "zone": 0.3, "recent": 1 / 3, "pooled": 4.0}
START = datetime(2024, 3, 1, 6, tzinfo=UTC)


def training_rows(count: int = 40) -> pl.DataFrame:
    """Raw rows with label; nulls in `km` and nowhere else."""
    numbers = range(count)
    return pl.DataFrame(
        {
            "ride": [f"r{i}" for i in numbers],
            "asked": [START + timedelta(minutes=7 * i) for i in numbers],
            "driver": [f"d{i % 5}" for i in numbers],
            "km": [None if i % 10 == 9 else 0.1 + i / 7 for i in numbers],
            "passengers": pl.Series([1 + i % 4 for i in numbers], dtype=pl.Int16),
            "zone": ["north" if i % 2 else "south" for i in numbers],
            "pooled": [i % 3 == 0 for i in numbers],
            "recent": [[0.5 * i, 1.0] for i in numbers],
            "day": [(START + timedelta(minutes=7 * i)).date() for i in numbers],
            "minutes": [3.0 + i for i in numbers],
            "ended": [START + timedelta(minutes=9 * i + 30) for i in numbers],
        }
    )


@dataclass
class World:
    """One model in a state folder, which may have others."""

    state: Path
    model: str = "rides"
    versions: dict[int, Version] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.store = FolderStore(self.state)
        self.artifacts = Artifacts(self.store)
        self.records = open_records(self.state / "noria.db")

    def register(
        self,
        number: int,
        *,
        bias: float = 0.0,
        unknown: str = "accept",
        broken: str = "",
        source: str = PIPELINE,
        training: pl.DataFrame | None = None,
    ) -> Version:
        """A version whose answers differ by `bias`; `broken` is a line of code that its module runs first."""
        sound = self._tree(source.format(broken="", unknown=unknown), bias)
        rows = self.artifacts.save(training_rows() if training is None else training)
        graph = ServingGraph(
            pipeline="pipeline:rides",
            data="asked_rides",
            transforms=("features",),
            predict="minutes",
            frozen={"weights": self.artifacts.save(WEIGHTS)},
        )
        with self.resolved(sound) as resolved:
            signed = sign(Sign(graph=graph, rows=rows), resolved, self.artifacts)
        tree = self._tree(source.format(broken=broken, unknown=unknown), bias) if broken else sound
        version = Version(
            model=self.model,
            number=number,
            run=number,
            created=START,
            as_of=START,
            graph=graph,
            signature=signed.signature,
            source=Source(commit="0" * 40, tree=tree),
            environment=Environment(
                python="3", implementation="CPython", platform="linux", packages=digest_bytes(b"")
            ),
            data=DataVersion(digest=rows.digest, rows=40, columns=rows.columns),
            rows=rows,
            label="minutes",
        )
        self.records.ledger.append(self.model, [VersionRegistered(version=version)], at=datetime.now(UTC))
        self.versions[number] = version
        return version

    def promote(self, number: int | None, alias: str = "champion") -> None:
        before = self.records.versions.aliases(self.model).get(alias)
        move = AliasMoved(model=self.model, alias=alias, before=before, after=number, why="test", by="test")
        self.records.ledger.append(self.model, [move], at=datetime.now(UTC))

    @contextmanager
    def resolved(self, tree: str) -> Iterator[Any]:
        root = materialise(tree, self.store, self.state / "offline")
        try:
            yield resolve(load_pipeline(root, "pipeline:rides"))
        finally:
            forget(root)

    def offline(self, number: int, rows: pa.Table) -> list[Any]:
        """The answers of a version's graph outside any service."""
        version = self.versions[number]
        with self.resolved(version.code) as resolved:
            graph = open_graph(version.graph, resolved, self.artifacts)
            return graph.answer(visible(rows, resolved.data)).column("answer").to_pylist()

    def _tree(self, pipeline: str, bias: float) -> str:
        files = {"helper.py": f"BIAS = {bias!r}\n", "pipeline.py": pipeline}
        tree = Tree(
            files=tuple(TreeFile(path=p, digest=self.store.put(t.encode())) for p, t in files.items())
        )
        return self.store.put(canonical(tree))


@dataclass
class Running:
    """A service process and a client of it."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    client: httpx.Client
    log: Path

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    def predict(self, *rows: dict[str, Any]) -> httpx.Response:
        return self.client.post("/v1/models/rides/predict", json={"rows": list(rows)})

    def version(self) -> int:
        return int(self.client.get("/v1/models/rides").json()["version"])

    def until_version(self, number: int, seconds: float = 20.0) -> None:
        until(lambda: self.version() == number, seconds, f"version {number}")

    def workers(self) -> list[int]:
        """The process ids of the workers that were told to accept, in their order, whether they live or not."""
        pids = {each["worker"]: each["pid"] for each in self.events() if each["event"] == "worker.started"}
        return [pids[each["worker"]] for each in self.events() if each["event"] == "worker.accepts"]

    def events(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def service(
    world: World,
    *options: str,
    follow: str = "champion",
    environment: Mapping[str, str] | None = None,
    models: Sequence[str] = (),
    python: str = sys.executable,
    port: int = 0,
) -> Iterator[Running]:
    """A service of its own process, ready; ended by SIGTERM. `models`: several, each with its champion."""
    log = world.state / f"stderr-{time.monotonic_ns()}.txt"
    command = [python, "-m", "noria.serving", "--state", str(world.state)]
    one = ["--model", world.model, "--follow", follow]
    several = ["--models", json.dumps([{"model": each} for each in models])]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, *(several if models else one), "--port", str(port), *options],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {})},
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        ready = json.loads(line or "{}")
        assert ready.get("ready"), f"{line}\n{log.read_text()}"
        with httpx.Client(base_url=ready["url"], timeout=60.0) as client:
            yield Running(process, ready, client, log)
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def until(true: Any, seconds: float, what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


ROW: dict[str, Any] = {
    "ride": "x1",
    "asked": "2024-03-02T08:30:00Z",
    "driver": "d1",
    "km": 3.7,
    "passengers": 2,
    "zone": "north",
    "pooled": False,
    "recent": [0.1, 0.2, 0.7],
    "day": "2024-03-02",
}


def row(**changed: Any) -> dict[str, Any]:
    """A valid row, with some columns changed; `...` takes one away."""
    return {name: value for name, value in (ROW | changed).items() if value is not ...}
