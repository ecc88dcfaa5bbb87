"""Which steps may begin: a pure decision over what is done."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping

from noria.declare import Cut, Resolved, Step

Node = Step | Cut


class Schedule:
    """Nodes in an order in which each comes after what it needs."""

    def __init__(self, needs: Mapping[str, frozenset[str]]) -> None:
        self._places = {name: place for place, name in enumerate(needs)}
        self._lacks = {name: set(wanted) for name, wanted in needs.items()}
        self._ready = [name for name, lacks in self._lacks.items() if not lacks]
        self._readers: dict[str, list[str]] = {}
        self._begun: set[str] = set()
        self._done: set[str] = set()
        for name, wanted in needs.items():
            for one in wanted:
                self._readers.setdefault(one, []).append(name)

    def ready(self) -> list[str]:
        """Those that have all they need and have not begun, in order."""
        return list(self._ready)

    def begin(self, name: str) -> None:
        if name not in self._ready:
            raise ValueError(f"{name} has begun already, or lacks what it needs")
        self._ready.remove(name)
        self._begun.add(name)

    def finish(self, name: str) -> None:
        if name not in self._begun or name in self._done:
            raise ValueError(f"{name} has not begun, or is done already")
        self._done.add(name)
        for reader in self._readers.get(name, ()):
            self._lacks[reader].discard(name)
            if not self._lacks[reader]:
                insort(self._ready, reader, key=self._places.__getitem__)

    @property
    def over(self) -> bool:
        return len(self._done) == len(self._places)


def nodes_of(resolved: Resolved) -> dict[str, Node]:
    """Steps and cuts by name; a cut stands right behind the step that makes its table."""
    found: dict[str, Node] = {}
    for step in resolved.order:
        found[step.name] = step
        found |= {cut.name: cut for cut in resolved.fan_out.cuts if cut.table in step.outputs}
    return found


def needs_of(resolved: Resolved) -> dict[str, frozenset[str]]:
    """For each node the nodes that it waits for: what it reads, and the request's rows where Noria reads them."""
    request = {resolved.request.name} if resolved.request else set()
    needs: dict[str, frozenset[str]] = {}
    for name, node in nodes_of(resolved).items():
        if isinstance(node, Cut):
            beside = request if node.table in resolved.rows else set()
            needs[name] = frozenset({resolved.maker[node.table].name} | beside)
        else:
            beside = request if resolved.rows & set(node.inputs) else set()
            needs[name] = frozenset(_read(resolved, node) | beside) - {name}
    return needs


def below(resolved: Resolved, names: Iterable[str]) -> frozenset[str]:
    """These nodes and all that read them, directly or not."""
    found = set(names)
    for name, needs in needs_of(resolved).items():
        if needs & found:
            found.add(name)
    return frozenset(found)


def _read(resolved: Resolved, step: Step) -> set[str]:
    found = set()
    for name in step.inputs:
        partition = step.partition(name)
        if partition is not None:
            found.add(Cut(name, partition.by).name)
        elif name in resolved.maker:
            found.add(resolved.maker[name].name)
    return found
