"""Which steps may begin, on graphs of every shape and with every order of ends."""

from __future__ import annotations

import random
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

import noria
from noria.declare import Pipeline, resolve
from noria.pipeline.schedule import Schedule, below, needs_of, nodes_of

GRAPHS = st.integers(1, 12).flatmap(
    lambda size: st.tuples(
        *(st.sets(st.integers(0, number - 1)) if number else st.just(set()) for number in range(size))
    )
)


@given(graph=GRAPHS, seed=st.integers(0, 2**16))
def test_each_node_begins_once_after_all_that_it_needs(graph: tuple[set[int], ...], seed: int) -> None:
    needs = {str(node): frozenset(map(str, before)) for node, before in enumerate(graph)}
    schedule, chance = Schedule(needs), random.Random(seed)
    running: list[str] = []
    done: list[str] = []
    while not schedule.over:
        for name in schedule.ready():
            assert needs[name] <= set(done)
            schedule.begin(name)
            running.append(name)
        assert running, "something can always go on"
        ended = running.pop(chance.randrange(len(running)))
        schedule.finish(ended)
        done.append(ended)
    assert sorted(done) == sorted(needs)


def test_what_cannot_be_is_refused() -> None:
    schedule = Schedule({"a": frozenset(), "b": frozenset({"a"})})
    with pytest.raises(ValueError, match="b"):
        schedule.begin("b")
    schedule.begin("a")
    for act in (schedule.begin, lambda name: (schedule.finish(name), schedule.finish(name))):
        with pytest.raises(ValueError, match="a"):
            act("a")


def test_a_transform_s_reader_waits_for_the_rows_and_a_partition_for_its_table() -> None:
    pipeline = Pipeline("p")

    @pipeline.data(key="id")
    def rows() -> None: ...

    @pipeline.transform
    def features(rows: object) -> None: ...

    @pipeline.step
    def total(features: Annotated[object, noria.Partition("shop")]) -> None: ...

    @pipeline.step
    def other() -> None: ...

    resolved = resolve(pipeline)
    assert list(nodes_of(resolved)) == ["rows", "features", "features by shop", "total", "other"]
    assert needs_of(resolved)["features by shop"] == {"rows", "features"}
    assert "features by shop" in needs_of(resolved)["total"]
    assert below(resolved, ["features"]) == {"features", "features by shop", "total"}
    assert needs_of(resolved)["other"] == frozenset()
