"""What Ray says of a job that ended without a word of its own, as an error and a kind of fault."""

from __future__ import annotations

from typing import Any

from noria.adapters.local_errors import subject_of
from noria.adapters.ray_errors import NodeLackedMemory, NodeLost, SeatFailed
from noria.errors import NoriaError
from noria.ports.engine import Job
from noria.records.needs import Fault


def trouble(job: Job, error: Exception, node: str) -> tuple[NoriaError, Fault]:
    """The error that a reader sees, and whether another try may help. `node`: its name, as far as it is known."""
    from ray import exceptions as ray

    subject, where = subject_of(job.task), f" {node}" if node else ""
    lost: tuple[Any, ...] = (
        *(ray.NodeDiedError, ray.WorkerCrashedError, ray.LocalRayletDiedError, ray.ObjectLostError),
        *(ray.TaskUnschedulableError, ray.TaskCancelledError),
    )
    if isinstance(error, ray.OutOfMemoryError):
        return NodeLackedMemory(subject, where), "memory"
    if isinstance(error, lost):
        return NodeLost(subject, where, _reason(error)), "lost"
    return SeatFailed(subject, f" on {node}" if node else "", _last_line(error)), "code"


def _reason(error: Exception) -> str:
    """Ray's first sentence: the rest is about its own log files."""
    return str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__


def _last_line(error: Exception) -> str:
    """Of a traceback: what was raised."""
    return str(error).strip().rpartition("\n")[2] or type(error).__name__
