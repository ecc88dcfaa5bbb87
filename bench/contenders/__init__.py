"""The same two workloads written for Noria and for each peer, as its own documentation would have them written.

`chain(n)`: n steps in a line which do nothing and pass a small dict. `fan(n)`: a list of n numbers, a step for each, and
their sum. Who can keep what steps make keeps it; who can run them in processes of their own does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from measuring import NORIA

Files = Mapping[str, str]
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Contender:
    """Who takes part: how a project is laid out, run for the first time, and once more."""

    name: str
    chain: Callable[[int], Files]
    fan: Callable[[int], Files]
    first: Command
    again: Command | None = None
    """None: it has no run in which everything is reused."""
    prepare: Sequence[Command] = ()
    """What is done once to a new project, outside of the time."""
    variables: Mapping[str, str] = field(default_factory=dict)
    beside: Callable[[Path], AbstractContextManager[Mapping[str, str]]] = lambda folder: nullcontext({})
    """A server that it needs, which gives more variables."""
    slow: bool = False
    """Whether it takes part in fewer rounds."""


def contenders(peers: bool) -> list[Contender]:
    """Noria, and the peers that can be installed here."""
    from contenders.noria_itself import noria

    if not peers:
        return [noria()]
    from contenders.dvc import dvc
    from contenders.kedro import kedro
    from contenders.metaflow import metaflow
    from contenders.prefect import prefect

    found: list[Contender] = [noria()]
    for made in (kedro, metaflow, dvc, prefect):
        found += made()
    return found


__all__ = ["NORIA", "Contender", "contenders"]
