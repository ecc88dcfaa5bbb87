"""`noria.checkpoint()`: a killed step goes on, and with nothing that is not its own."""

from __future__ import annotations

import threading

import numpy as np
import polars as pl
import pytest

import noria
from noria.artifacts import Artifacts
from noria.artifacts.codec import CannotStore
from noria.inside.series import collected
from unit.inside.conftest import Step


def test_the_default_until_something_is_saved(step: Step) -> None:
    with step():
        kept = noria.checkpoint()
        assert kept.load() is None
        assert kept.load(default=(None, 0)) == (None, 0)
        kept.save((1.5, 3))
        assert kept.load(default=(None, 0)) == (1.5, 3)
        kept.save(None)
        assert kept.load(default="unused") is None


def test_a_killed_step_goes_on_from_the_newest(step: Step) -> None:
    with step():
        for epoch in range(4):
            noria.checkpoint().save({"epoch": epoch, "weights": np.arange(3) * epoch})
    with step():
        found = noria.checkpoint().load()
    assert found["epoch"] == 3
    assert found["weights"].tolist() == [0, 3, 6]


@pytest.mark.parametrize("other", ["v2", "v1[1]", ""])
def test_another_codes_checkpoint_is_not_taken(step: Step, other: str) -> None:
    """A fingerprint holds code, inputs, parameters, environment and the item."""
    with step(code="v1"):
        noria.checkpoint().save("of v1")
    with step(code=other):
        assert noria.checkpoint().load(default="none") == "none"


def test_tables_and_estimators_come_back_as_they_were(step: Step) -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    with step():
        noria.checkpoint().save([frame, {"best": 0.7}])
    with step():
        (found, rest) = noria.checkpoint().load()
    assert found.equals(frame) and rest == {"best": 0.7}


@pytest.mark.parametrize("odd", [lambda: 1, threading.Lock(), (n for n in range(3)), open])
def test_what_cannot_be_stored_says_so_and_leaves_the_last_one(step: Step, odd: object) -> None:
    with step():
        noria.checkpoint().save("good")
        with pytest.raises(CannotStore):
            noria.checkpoint().save(odd)
        assert noria.checkpoint().load() == "good"


def test_outside_of_a_run_it_lives_in_memory_and_each_is_its_own() -> None:
    kept, other = noria.checkpoint(), noria.checkpoint()
    kept.save([1])
    kept.save([1, 2])
    assert kept.load() == [1, 2]
    assert other.load(default="none") == "none"


def test_figures_of_before_the_kill_are_there_once(step: Step, artifacts: Artifacts) -> None:
    """Those after the newest save are logged again by whoever goes on; so none is lost and none is there twice."""
    with step():
        for epoch in range(3):
            noria.log(loss=1.0 / (1 + epoch), step=epoch)
            if epoch < 2:
                noria.checkpoint().save(epoch + 1)
    with step() as inside:
        for epoch in range(noria.checkpoint().load(default=0), 4):
            noria.log(loss=1.0 / (1 + epoch), step=epoch)
        stored = collected(inside.spool, artifacts)
    assert stored is not None
    table = artifacts.table(stored)
    assert table["step"].to_pylist() == [0, 1, 2, 3]
    assert table["value"].to_pylist() == [1, 1 / 2, 1 / 3, 1 / 4]


def test_a_step_that_was_killed_twice(step: Step, artifacts: Artifacts) -> None:
    for attempt in range(3):
        with step() as inside:
            kept = noria.checkpoint()
            done = kept.load(default=0)
            noria.log(loss=float(done))
            kept.save(done + 1)
            assert kept.load() == done + 1, "a look at one's own changes nothing"
            noria.log(after=float(attempt))
            if attempt == 2:
                stored = collected(inside.spool, artifacts)
    assert stored is not None
    rows = artifacts.table(stored).select(["name", "step", "value"]).to_pylist()
    assert [(row["name"], row["step"], row["value"]) for row in rows] == [
        *(("loss", 0, 0.0), ("loss", 1, 1.0), ("loss", 2, 2.0), ("after", 0, 2.0)),
    ]
