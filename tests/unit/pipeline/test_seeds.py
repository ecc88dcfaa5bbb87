"""The global generators are each step's own, imported before the step or by it."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import polars as pl

from noria.pipeline.seeds import seed_generators

ROWS = pl.DataFrame({"x": range(1000)})
LATER = """
import sys
from noria.pipeline.seeds import seed_generators
seed_generators(7)
seed_generators(8)
assert not {"numpy.random", "polars"} & set(sys.modules)
import polars, numpy.random, random
rows = polars.DataFrame({"x": range(1000)})
print(random.random(), numpy.random.random(), rows.sample(5)["x"].to_list())
"""


def drawn(seed: int) -> tuple[float, float, list[int], list[int]]:
    seed_generators(seed)
    shuffled = ROWS["x"].shuffle().head(5).to_list()
    return random.random(), float(np.random.random()), ROWS.sample(5)["x"].to_list(), shuffled


def test_what_draws_without_a_seed_draws_the_same_again() -> None:
    first, other = drawn(7), drawn(8)
    random.random(), np.random.random(), ROWS.sample(9)
    assert drawn(7) == first
    assert all(one != another for one, another in zip(first, other, strict=True))


def test_a_library_that_the_step_imports_is_seeded_then() -> None:
    said = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, check=True).stdout
    seed_generators(8)
    assert said == f"{random.random()} {np.random.random()} {ROWS.sample(5)['x'].to_list()}\n"
