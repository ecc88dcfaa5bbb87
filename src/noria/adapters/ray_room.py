"""What the nodes of a cluster have, those among them that are gone included."""

from __future__ import annotations

from dataclasses import replace

from noria.adapters.local_capacity import asked
from noria.adapters.local_errors import subject_of
from noria.adapters.ray_cluster import Cluster, Node
from noria.adapters.ray_errors import NoNodeLargeEnough
from noria.ports.engine import Job
from noria.records.needs import Needs

SHOWN = 5  # nodes that an error describes


class Room:
    """The nodes that one engine has seen in its life."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: dict[str, Node] = {}

    def ever(self, needs: Needs) -> bool:
        """Whether some node has as much, or had: it may come back."""
        return any(node.fits(needs) for node in self._nodes())

    def now(self, needs: Needs) -> bool:
        """Whether a node that is there has as much in all."""
        return any(node.alive and node.fits(needs) for node in self._nodes())

    def roomiest(self, needs: Needs) -> Node | None:
        """The node with the most memory among those that are there and large enough."""
        fit = [node for node in self._nodes() if node.alive and node.fits(needs)]
        return max(fit, key=lambda node: (node.memory, node.cpus), default=None)

    def words(self) -> list[str]:
        """What each node that is there has in all."""
        return [node.words() for node in self._nodes() if node.alive]

    def too_large(self, job: Job) -> NoNodeLargeEnough:
        there = self.words()
        more = [f"and {len(there) - SHOWN} more nodes"] if there[SHOWN:] else []
        return NoNodeLargeEnough(
            subject_of(job.task), asked(job.needs), "; ".join([*there[:SHOWN], *more]) or "there is none"
        )

    def name(self, node: str) -> str:
        """A node's name for a reader; empty for none."""
        if node and node not in self._known:
            self._nodes()
        return self._known[node].name if node in self._known else node[:8]

    def _nodes(self) -> list[Node]:
        for node in self._cluster.nodes():
            before = self._known.get(node.id)
            if node.alive or before is None:
                self._known[node.id] = node
            else:  # Ray forgets what a lost node had
                self._known[node.id] = replace(before, alive=False)
        return list(self._known.values())
