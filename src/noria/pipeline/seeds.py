"""The global random generators, seeded for each step, so that a step gives the same whatever ran before it."""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import blake3

SEEDED = {"numpy.random": "seed", "polars": "set_random_seed", "torch": "manual_seed"}
"""Module to its function that takes a seed."""


def seed_of(seed: int, step: str) -> int:
    """A step's own seed, below 2**32: steps that draw from generators of their own must not draw the same numbers."""
    return int.from_bytes(blake3.blake3(f"{seed}/{step}".encode()).digest(4), "big")


def seed_generators(seed: int) -> None:
    """Seed `random`, `numpy.random`, polars (`sample`, `shuffle`) and torch on all its devices; the libraries', where they
    are not imported yet, at the moment of their import.

    A generator that the step makes itself, as `numpy.random.default_rng()`, is the step's to seed.
    """
    random.seed(seed)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _SeedAtImport)]
    later = {name for name in SEEDED if name not in sys.modules}
    for name in SEEDED.keys() - later:
        _seed(sys.modules[name], seed)
    if later:
        sys.meta_path.insert(0, _SeedAtImport(seed, later))


def _seed(module: Any, seed: int) -> None:
    getattr(module, SEEDED[module.__name__])(seed)


class _SeedAtImport:
    """Stands before the other finders until each module is asked for; importing numpy for its sake costs 0.1 s."""

    def __init__(self, seed: int, later: set[str]) -> None:
        self._seed = seed
        self._later = later

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._later:
            return None
        self._later.remove(name)  # the others are asked through this very finder
        spec = importlib.util.find_spec(name)
        loader: Any = spec.loader if spec else None
        if loader is not None:
            execute = loader.exec_module

            def execute_and_seed(module: Any) -> None:
                execute(module)
                _seed(module, self._seed)

            loader.exec_module = execute_and_seed
        return spec
