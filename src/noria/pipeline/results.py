"""What becomes of an item's execution, and of a fan-out's items together, as records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from noria.declare import Cut, Step
from noria.pipeline.schedule import Node
from noria.records.artifacts import Artifact
from noria.records.base import Digest
from noria.records.runs import Fingerprint, Ran, StepResult
from noria.records.tasks import Divided, Done, StepDone

GATHER, PARTITION = "gather", "partition"  # roles of results that no function of the user's made


def role_of(node: Node) -> str:
    return PARTITION if isinstance(node, Cut) else node.role


def as_step(done: Done, node: Node) -> StepDone:
    """What a worker answered to an item of this node."""
    if isinstance(node, Cut) and isinstance(done, Divided):
        return StepDone(outputs={node.name: done.parts}, seconds=done.seconds)
    if not isinstance(done, StepDone):
        raise TypeError(f"a worker answered {type(done).__name__} to {node.name}")
    return done


def performed(
    name: str,
    role: str,
    print_: Fingerprint,
    done: StepDone,
    *,
    reason: str,
    started: datetime,
    notes: Sequence[str],
    tried: Sequence[Digest],
    where: str,
) -> StepResult:
    """An item that was executed; `notes` come before the worker's own."""
    return StepResult(
        step=name,
        role=role,
        fingerprint=print_,
        outputs=done.outputs,
        reason=Ran(why=reason),
        started=started,
        seconds=done.seconds,
        log=done.log,
        data=done.data,
        notes=(*notes, *done.notes),
        series=done.series,
        card=done.card,
        where=where,
        tried=tuple(tried),
    )


def gathered_result(
    step: Step,
    print_: Fingerprint,
    results: Sequence[StepResult],
    outputs: dict[str, Artifact],
    now: datetime,
) -> StepResult:
    """A fan-out's lists; its seconds are those of all items together."""
    ran = sum(isinstance(result.reason, Ran) for result in results)
    return StepResult(
        step=step.name,
        role=GATHER,
        fingerprint=print_,
        outputs=outputs,
        reason=Ran(why=f"{ran} of {len(results)} ran"),
        started=min((result.started for result in results), default=now),
        seconds=sum(result.seconds for result in results),
        items=len(results),
    )
