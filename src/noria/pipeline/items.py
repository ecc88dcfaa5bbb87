"""A step's work as items: one for a plain step, one for each place of the lists that it takes item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from noria.declare import Step
from noria.pipeline.errors import UnequalLists
from noria.records.artifacts import Artifact

Place = tuple[int, ...]
Open = Callable[[Artifact], Sequence[Artifact]]
"""A list artifact to its items."""


@dataclass(frozen=True)
class Item:
    """One execution of a step: its place in the fan-out (empty outside of one), and what it reads."""

    step: Step
    place: Place
    inputs: Mapping[str, Artifact]

    @property
    def name(self) -> str:
        """`score[3][0]`"""
        return named(self.step.name, self.place)


Tree = Item | list["Tree"]


def named(step: str, place: Place) -> str:
    return step + "".join(f"[{number}]" for number in place)


def expand(step: Step, inputs: Mapping[str, Artifact], open_list: Open) -> Tree:
    """Every item, nested as the step's lists are. Lists that are taken side by side must have one length; an input
    that goes fewer lists deep is the same for all items beneath. Raises `UnequalLists`."""
    return _beneath(step, dict(inputs), {name: step.depth(name) for name in inputs}, (), open_list)


def leaves(tree: Tree) -> Iterator[Item]:
    """The items, in order."""
    if isinstance(tree, Item):
        yield tree
    else:
        for branch in tree:
            yield from leaves(branch)


def gathered(
    tree: Tree, made: Callable[[Item], Artifact], keep: Callable[[Sequence[Artifact]], Artifact]
) -> Artifact:
    """What the items made, as lists nested as the tree is."""
    return made(tree) if isinstance(tree, Item) else keep([gathered(branch, made, keep) for branch in tree])


def _beneath(
    step: Step, inputs: dict[str, Artifact], depths: dict[str, int], place: Place, open_list: Open
) -> Tree:
    lists = {name: open_list(inputs[name]) for name, depth in depths.items() if depth > 0}
    if not lists:
        return Item(step, place, inputs)
    lengths = {len(items) for items in lists.values()}
    if len(lengths) > 1:
        told = [f"{name} has {len(items)}" for name, items in lists.items()]
        raise UnequalLists(step=named(step.name, place), lengths=told)
    less = {name: depth - 1 for name, depth in depths.items()}
    return [
        _beneath(
            step,
            {**inputs, **{name: items[number] for name, items in lists.items()}},
            less,
            (*place, number),
            open_list,
        )
        for number in range(lengths.pop())
    ]
