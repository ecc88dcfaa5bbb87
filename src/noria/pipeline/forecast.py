"""What a run would do, told without doing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from noria.artifacts.lists import items_of, list_of
from noria.declare import Cut, Step
from noria.pipeline.fingerprint import ALWAYS_READ, why
from noria.pipeline.items import Item, Tree, expand, gathered, leaves
from noria.pipeline.plan import Plan
from noria.pipeline.prepared import Prepared
from noria.pipeline.prints import Prints
from noria.pipeline.schedule import Node, needs_of, nodes_of
from noria.pipeline.there import there
from noria.ports.objects import ObjectStore
from noria.ports.records import RunRecords
from noria.records.artifacts import Artifact
from noria.records.base import Digest, Record, digest_of
from noria.records.runs import Fingerprint, NewRun, StepResult


class Forecast(Record, kw_only=True):
    """What will become of one step."""

    step: str
    will: Literal["read", "reuse", "run", "depends"]
    """`depends`: nobody knows before what it reads has been made."""
    why: str
    """For `reuse`: the run whose result serves."""
    items: int | None = None
    """Of a fan-out, as far as it is known."""
    running: int | None = None
    """How many of these will run."""


def forecast(
    plan: Plan,
    asked: NewRun,
    *,
    project: Path,
    store: ObjectStore,
    runs: RunRecords,
    prepared: Mapping[str | None, Prepared] | None = None,
    fresh: Collection[str] = (),
) -> tuple[Forecast, ...]:
    """Every step in order. Data is taken to be what it was when it was last read: if it is not, what reads it runs."""
    return tuple(_Walk(plan, asked, Prints(plan, asked, project, prepared or {}), store, runs, fresh).steps())


class _Walk:
    def __init__(
        self,
        plan: Plan,
        asked: NewRun,
        prints: Prints,
        store: ObjectStore,
        runs: RunRecords,
        fresh: Collection[str],
    ) -> None:
        self._plan = plan
        self._model = asked.model
        self._prints = prints
        self._store = store
        self._runs = runs
        self._fresh = frozenset(fresh)
        self._lists: dict[Digest, list[Artifact]] = {}
        """Lists that a run would store."""

    def steps(self) -> list[Forecast]:
        needs, open_, found = needs_of(self._plan.resolved), set[str](), []
        for name, node in nodes_of(self._plan.resolved).items():
            if late := sorted(needs[name] & open_):
                one = Forecast(step=name, will="depends", why=f"what {', '.join(late)} will make")
            else:
                one = self._data(node) if _is_data(node) else self._known(node)
            if one.will in ("run", "depends") or (one.will == "read" and name not in self._prints.outputs):
                open_.add(name)
            found.append(one)
        return found

    def _data(self, node: Node) -> Forecast:
        last = self._runs.last(self._model, node.name)
        if last is not None and there(last, self._store) and isinstance(node, Step):
            self._prints.add(node, last.outputs)
            return Forecast(
                step=node.name, will="read", why=f"{ALWAYS_READ}; what follows holds if it is as before"
            )
        return Forecast(step=node.name, will="read", why=ALWAYS_READ)

    def _known(self, node: Node) -> Forecast:
        """A step whose inputs are all known."""
        if isinstance(node, Cut):
            return self._cut(node)
        tree = expand(node, self._prints.read(node), self._items)
        items = list(leaves(tree))
        results = {item.name: self._cached(node, self._prints.of(item)) for item in items}
        missing = [item for item in items if results[item.name] is None]
        mapped = not isinstance(tree, Item)
        counts = {"items": len(items), "running": len(missing)} if mapped else {}
        if missing:
            reason = self._reason(node, missing[0])
            return Forecast(step=node.name, will="run", why=reason, **counts)
        reused = {name: found for name, found in results.items() if found is not None}
        self._prints.add(
            node, self._outputs(node, tree, {name: found for name, (found, _) in reused.items()})
        )
        sources = list(dict.fromkeys(source for _, source in reused.values()))
        return Forecast(step=node.name, will="reuse", why=", ".join(sources), **counts)

    def _cut(self, cut: Cut) -> Forecast:
        found = self._cached(cut, self._prints.of_cut(cut))
        if found is None:
            return Forecast(step=cut.name, will="run", why=why(None, self._prints.of_cut(cut)))
        self._prints.outputs.update(found[0].outputs)
        return Forecast(step=cut.name, will="reuse", why=found[1])

    def _cached(self, node: Node, now: Fingerprint) -> tuple[StepResult, str] | None:
        if node.name in self._fresh:
            return None
        found = self._runs.cached(self._model, digest_of(now))
        return found if found and there(found[0], self._store) else None

    def _reason(self, step: Step, item: Item) -> str:
        if step.name in self._fresh:
            return "asked for"
        return why(self._runs.last(self._model, item.name), self._prints.of(item))

    def _outputs(self, step: Step, tree: Tree, results: Mapping[str, StepResult]) -> dict[str, Artifact]:
        def output(name: str) -> Artifact:
            return gathered(tree, lambda item: results[item.name].outputs[name], self._keep)

        return {name: output(name) for name in step.outputs}

    def _keep(self, items: Sequence[Artifact]) -> Artifact:
        """As `save_list`, without storing anything."""
        artifact = list_of(items)
        self._lists[artifact.digest] = list(items)
        return artifact

    def _items(self, artifact: Artifact) -> Sequence[Artifact]:
        known = self._lists.get(artifact.digest)
        return known if known is not None else items_of(artifact, self._store)


def _is_data(node: Node) -> bool:
    return isinstance(node, Step) and node.role == "data"
