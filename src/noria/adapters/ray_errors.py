"""What can be wrong with a Ray cluster, and with a job on it beside what a worker says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.adapters.local_errors import NoInterpreter, TooLarge
from noria.errors import BackendError, Bug, ConfigError, StepFailed
from noria.records.base import Digest


@dataclass(eq=False)
class NoRay(ConfigError):
    code: ClassVar[str] = "RAY-NOT-INSTALLED"
    what: ClassVar[str] = 'noria.toml says engine = "ray", and Ray is not installed here'
    next: ClassVar[str] = "pip install 'noria[ray]'"


@dataclass(eq=False)
class NoCluster(ConfigError):
    code: ClassVar[str] = "RAY-NO-ANSWER"
    what: ClassVar[str] = "no Ray cluster answers at {address}: {why}"
    next: ClassVar[str] = (
        "correct `address` under [engine] or RAY_ADDRESS, and run noria on a machine that is a node of that cluster"
    )
    address: str
    why: str


@dataclass(eq=False)
class RayNotStarted(BackendError):
    code: ClassVar[str] = "RAY-NOT-STARTED"
    what: ClassVar[str] = "Ray could not be started on this machine: {why}"
    next: ClassVar[str] = (
        "free memory and disk, and let TMPDIR be a short path; or name a cluster: `address` under [engine]"
    )
    why: str


@dataclass(eq=False)
class OtherCluster(ConfigError):
    code: ClassVar[str] = "RAY-OTHER-CLUSTER"
    what: ClassVar[str] = (
        "this process is connected to the Ray cluster {here}, and cannot be to {asked} at once"
    )
    next: ClassVar[str] = "use one process for each cluster"
    here: str
    asked: str


@dataclass(eq=False)
class UnfitNodes(ConfigError):
    code: ClassVar[str] = "RAY-NODES"
    what: ClassVar[str] = "{count} of the cluster's nodes cannot run steps:\n{each}"
    next: ClassVar[str] = "{remedy}"
    faults: Sequence[str]
    remedy: str

    def facts(self) -> dict[str, object]:
        shown = [*self.faults[:10], *([f"... and {len(self.faults) - 10} more"] if self.faults[10:] else [])]
        return {**super().facts(), "count": len(self.faults), "each": "\n".join(shown)}


@dataclass(eq=False)
class NoNodeLargeEnough(TooLarge):
    code: ClassVar[str] = "CLUSTER-TOO-SMALL"
    what: ClassVar[str] = "{subject} asks for {asked}, and no node of the Ray cluster has that: {there}"
    next: ClassVar[str] = (
        "ask for less in its resources, or add such a node; where the cluster adds nodes by itself, say `grows = true` "
        "under [engine]"
    )


@dataclass(eq=False)
class NotOnNode(NoInterpreter):
    code: ClassVar[str] = "WORKER-START-ON-NODE"
    what: ClassVar[str] = "{subject} needs {python}, which node {node} cannot start: {problem}"
    next: ClassVar[str] = (
        "let NORIA_ENVIRONMENTS be a folder that every node sees under the same path, and run again; noria doctor tells "
        "which do not"
    )
    node: str


@dataclass(eq=False)
class NodeLost(StepFailed):
    code: ClassVar[str] = "NODE-LOST"
    what: ClassVar[str] = "{subject} ended with its node{node}: {why}"
    next: ClassVar[str] = "run again: finished steps are reused; `ray status` tells which nodes are there"
    subject: str
    node: str
    why: str
    log: Digest | None = None


@dataclass(eq=False)
class NodeLackedMemory(StepFailed):
    code: ClassVar[str] = "NODE-MEMORY"
    what: ClassVar[str] = "{subject} was ended by Ray, for its node{node} ran out of memory"
    next: ClassVar[str] = (
        "say what it takes: @step(resources=noria.Resources(memory=...)), so that fewer run beside it"
    )
    subject: str
    node: str
    log: Digest | None = None


@dataclass(eq=False)
class SeatFailed(Bug):
    code: ClassVar[str] = "RAY-SEAT"
    what: ClassVar[str] = "{subject} was not performed{node}: {why}"
    next: ClassVar[str] = (
        "install the same Noria on every node; else report this with the command that you ran"
    )
    subject: str
    node: str
    why: str
