"""A model that answers by its compiled form: ten numbers, a logistic regression."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

from integration.serving_world import START, World
from noria.fast.compiling import compile_model
from noria.records.artifacts import Artifact, Column
from noria.records.base import canonical, digest_bytes
from noria.records.events import VersionRegistered
from noria.records.fast import FastPath, Plan
from noria.records.runs import DataVersion
from noria.records.sources import Environment, Source, Tree
from noria.records.versions import RequestColumn, ServingGraph, Signature, Version

COLUMNS = tuple(f"f{at}" for at in range(10))
ROW: dict[str, Any] = {name: at / 3 for at, name in enumerate(COLUMNS)} | {"id": "r1"}


def fast_world(state: Path) -> World:
    """One version, the champion."""
    world = World(state, "quick")
    random = np.random.default_rng(1)
    numbers = random.normal(size=(200, len(COLUMNS)))
    model = LogisticRegression().fit(numbers, numbers[:, 0] + numbers[:, 1] > 0)
    frame = pl.DataFrame(numbers, schema=COLUMNS).with_columns(id=pl.format("r{}", pl.int_range(pl.len())))
    rows = world.artifacts.save(frame)
    version = Version(
        model="quick",
        number=1,
        run=1,
        created=START,
        as_of=START,
        graph=ServingGraph(pipeline="pipeline:quick", data="rows", transforms=(), predict="p", frozen={}),
        signature=Signature(
            request=(
                *(RequestColumn(name=name, type="double") for name in COLUMNS),
                RequestColumn(name="id", type="string"),
            ),
            key=("id",),
            answer=(Column(name="answer", type="double"),),
        ),
        source=Source(commit="0" * 40, tree=world.store.put(canonical(Tree(files=())))),
        environment=Environment(
            python="3", implementation="CPython", platform="linux", packages=digest_bytes(b"")
        ),
        data=DataVersion(digest=rows.digest, rows=200, columns=rows.columns),
        rows=rows,
        fast=_direct(world, model),
    )
    world.records.ledger.append("quick", [VersionRegistered(version=version)], at=datetime.now(UTC))
    world.versions[1] = version
    world.promote(1)
    return world


def _direct(world: World, model: LogisticRegression) -> FastPath:
    compiled = canonical(compile_model(model))
    artifact = Artifact(digest=world.store.put(compiled), codec="compiled/1", size=len(compiled), type="fast")
    plan = Plan(table="rows", estimator="c", columns=COLUMNS, method="predict_proba", column=1)
    return FastPath(level="direct", compiled={"c": artifact}, plan=plan)
