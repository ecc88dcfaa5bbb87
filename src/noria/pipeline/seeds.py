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

_NUMPY = "numpy.random"


def seed_of(seed: int, step: str) -> int:
    """A step's own seed, below 2**32: steps that draw from generators of their own must not draw the same numbers."""
    return int.from_bytes(blake3.blake3(f"{seed}/{step}".encode()).digest(4), "big")


def seed_generators(seed: int) -> None:
    """Seed `random` and `numpy.random`; numpy's, when it is not imported yet, at the moment of its import.

    A generator that the step makes itself, as `numpy.random.default_rng()`, is the step's to seed.
    """
    random.seed(seed)
    numpy: Any = sys.modules.get(_NUMPY)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _SeedAtImport)]
    if numpy is None:
        sys.meta_path.insert(0, _SeedAtImport(seed))
    else:
        numpy.seed(seed)


class _SeedAtImport:
    """Stands before the other finders until numpy.random is asked for; importing numpy for its sake costs 0.1 s."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _NUMPY:
            return None
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        spec = importlib.util.find_spec(name)
        loader: Any = spec.loader if spec else None
        if loader is not None:
            execute = loader.exec_module

            def execute_and_seed(module: Any) -> None:
                execute(module)
                module.seed(self._seed)

            loader.exec_module = execute_and_seed
        return spec
