"""All nodes of a cluster are asked whether they can run what the driver asks, before any step begins."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from noria.adapters import ray_probe
from noria.adapters.ray_cluster import Cluster, Node
from noria.adapters.ray_errors import UnfitNodes
from noria.adapters.ray_wire import Ground
from noria.errors import NotFound
from noria.ports.objects import ObjectStore
from noria.records.base import Digest

AGAIN = 3  # times that a node which cannot be asked is asked once more


def check_nodes(cluster: Cluster, ground: Ground, store: ObjectStore) -> None:
    """Raises `UnfitNodes`, naming every node that differs from this machine or sees another store. A node that comes
    later is not asked: what it lacks, its first job says. What was asked for another engine of this process, as trials
    side by side have them, is not asked again."""
    if cluster.own:
        return
    with cluster.asking:
        if ground not in cluster.fit:
            _check(cluster, ground, store)
            cluster.fit.append(ground)


def _check(cluster: Cluster, ground: Ground, store: ObjectStore) -> None:
    here = ray_probe.ours()
    faults: list[str] = []
    for node, answer in _answers(cluster, ground):
        faults += _faults(node, answer, here, ground, store)
    if faults:
        raise UnfitNodes(faults, ray_probe.advice(faults))


def _answers(cluster: Cluster, ground: Ground) -> list[tuple[Node, Mapping[str, Any] | None]]:
    """Of each node that is still there. The question to one that goes meanwhile fails before the cluster knows that it
    is gone; asked once more, it waits until that is known."""
    asked = _working(cluster)
    answers = _looked(cluster, asked, ground)
    for _ in range(AGAIN):
        there = {node.id for node in _working(cluster)}
        failed = [node for node in asked if node.id in there and "failed" in answers.get(node.id, {})]
        if not failed:
            break
        answers |= _looked(cluster, failed, ground)
    there = {node.id for node in _working(cluster)}
    return [(node, answers.get(node.id)) for node in asked if node.id in there]


def _working(cluster: Cluster) -> list[Node]:
    return [node for node in cluster.nodes(fresh=True) if node.alive and (node.cpus or node.gpus)]


def blind_nodes(cluster: Cluster, folder: Path) -> list[str]:
    """Names of the nodes that do not see a folder of this machine: at its path there is nothing, or another one."""
    if cluster.own:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    nodes = _working(cluster)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".seen-") as mark:
        answers = _asked(cluster, nodes, ray_probe.sees, lambda node: (mark.name,))
    return [node.name for node in nodes if answers.get(node.id) != {"seen": True}]


def _looked(cluster: Cluster, nodes: list[Node], ground: Ground) -> dict[str, Mapping[str, Any]]:
    told = (ground.objects, ground.tree, ground.variables)
    return _asked(cluster, nodes, ray_probe.look, lambda node: (node.id, *told))


def _asked(
    cluster: Cluster, nodes: list[Node], question: Callable[..., Any], told: Callable[[Node], tuple[Any, ...]]
) -> dict[str, Mapping[str, Any]]:
    import ray
    import ray.cloudpickle
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    pickle: Any = ray.cloudpickle
    pickle.register_pickle_by_value(sys.modules[ray_probe.__name__])  # a node may have no Noria
    try:
        ask = ray.remote(question)
        asked = {
            ask.options(
                num_cpus=0,
                max_retries=0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            ).remote(*told(node)): node.id
            for node in nodes
        }
        until = time.monotonic() + ray_probe.PATIENCE
        ready = cluster.wait(list(asked), count=len(asked), until=until) if asked else []
        return {asked[ref]: _answer(ref) for ref in ready}
    finally:
        pickle.unregister_pickle_by_value(sys.modules[ray_probe.__name__])


def _answer(ref: Any) -> Mapping[str, Any]:
    import ray
    from ray.exceptions import RayError

    try:
        found: Mapping[str, Any] = ray.get(ref)
        return found
    except RayError as error:  # it may have gone meanwhile, or have no Python that understands the question
        return {"failed": str(error).strip().rpartition("\n")[2]}


def _faults(
    node: Node, answer: Mapping[str, Any] | None, here: Mapping[str, Any], ground: Ground, store: ObjectStore
) -> list[str]:
    if answer is None:
        return [f"{node.name} has not answered for {ray_probe.PATIENCE:g} s"]
    if "failed" in answer:
        return [f"{node.name} cannot be asked: {answer['failed']}"]
    found = ray_probe.faults(node.name, answer, here, ground.objects)
    if not found and not _seen(Digest(answer["mark"]), store):
        found.append(f"{node.name} writes to another object store than this machine's {ground.objects}")
    return found


def _seen(mark: Digest, store: ObjectStore) -> bool:
    try:
        return bool(store.get(mark))
    except NotFound:
        return False
