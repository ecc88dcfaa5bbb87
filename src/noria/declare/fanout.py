"""Which steps run once an item, how deep, and which lists must therefore be kept item by item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from noria.declare.errors import WrongRole
from noria.declare.running import Partition
from noria.declare.steps import Step

MAY_MAP = frozenset({"step", "check", "report"})


@dataclass(frozen=True)
class Cut:
    """A table that some step takes part by part."""

    table: str
    by: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called among the steps: `flights by carrier`."""
        return f"{self.table} by {', '.join(self.by)}"


@dataclass(frozen=True)
class FanOut:
    """How a pipeline fans out and gathers."""

    levels: Mapping[str, int]
    """Step name to how many lists deep it runs item by item; 0: once. Its outputs are lists nested as deep."""
    spread: Mapping[str, int]
    """Output to how many further lists deep each item of it is kept item by item, for somebody reads it so."""
    cuts: tuple[Cut, ...]
    """Tables that are cut into parts."""


NONE = FanOut({}, {}, ())


def fan_out(order: Iterable[Step], maker: Mapping[str, Step]) -> FanOut:
    """Raises `WrongRole` for a step that may not be run item by item, and for a partition of a list."""
    levels: dict[str, int] = {}
    spread: dict[str, int] = {}
    cuts: dict[Cut, None] = {}
    for step in order:
        for name in step.inputs:
            _check_mark(step, name)
        depths = {name: step.depth(name) for name in step.inputs if name in maker}
        levels[step.name] = max(depths.values(), default=0)
        _check_role(step, levels[step.name])
        for name, depth in depths.items():
            made = levels[maker[name].name]
            partition = step.partition(name)
            if partition is not None:
                _check_cut(step, name, made, depth, partition.by)
                cuts[Cut(name, partition.by)] = None
            elif depth > made:
                spread[name] = max(spread.get(name, 0), depth - made)
                _check_lists(step, name, maker[name])
    return FanOut(levels, spread, tuple(cuts))


def _check_mark(step: Step, name: str) -> None:
    """`noria.Partition("carrier")` is a mark beside a type: alone, or within Each, it would leave the table whole."""
    wanted = step.wanted(name)
    if isinstance(wanted, Partition) or wanted is Partition:
        raise WrongRole(
            where=step.where,
            role=step.role,
            problem=f"takes {name!r} by noria.Partition without the table's type",
            fix='write both: Annotated[pl.DataFrame, noria.Partition("carrier")]',
        )


def _check_role(step: Step, levels: int) -> None:
    if levels and step.role not in MAY_MAP:
        raise WrongRole(
            where=step.where,
            role=step.role,
            problem="takes an input item by item (noria.Each), and runs once a run",
            fix="let a @step map over the items, and read its list of results here",
        )


def _check_cut(step: Step, name: str, made: int, depth: int, by: tuple[str, ...]) -> None:
    if made or depth > 1:
        raise WrongRole(
            where=step.where,
            role=step.role,
            problem=f"takes {name!r} by noria.Partition, and it is a list already",
            fix=f"write noria.Each for {name!r}; a partition cuts one table",
        )
    if not by:
        raise WrongRole(
            where=step.where,
            role=step.role,
            problem=f"takes {name!r} by noria.Partition without a column",
            fix='name the columns: Annotated[pl.DataFrame, noria.Partition("carrier")]',
        )


def _check_lists(step: Step, name: str, maker: Step) -> None:
    if maker.role not in MAY_MAP:
        raise WrongRole(
            where=step.where,
            role=step.role,
            problem=f"takes {name!r} item by item, and {maker.role} {maker.name} makes a table",
            fix='cut it: Annotated[pl.DataFrame, noria.Partition("carrier")], or let a @step make a list',
        )
