"""An item of a step as a task for a worker."""

from __future__ import annotations

from noria.declare import Resolved
from noria.pipeline.items import Item
from noria.pipeline.prints import Prints
from noria.records.base import digest_of
from noria.records.runs import Fingerprint, Run
from noria.records.tasks import RunStep


def task_of(
    prints: Prints, resolved: Resolved, run: Run, pipeline: str, item: Item, print_: Fingerprint
) -> RunStep:
    """What a worker needs to perform it; `pipeline` is `module:name`."""
    step, spread = item.step, resolved.fan_out.spread
    return RunStep(
        pipeline=pipeline,
        step=step.name,
        inputs=dict(item.inputs),
        rows=prints.rows_for(step),
        parameters=print_.parameters,
        as_of=run.asked.as_of,
        seed=run.asked.seed,
        spread={name: spread[name] for name in step.outputs if name in spread},
        item=item.place,
        run=run.name,
        fingerprint=digest_of(print_),
    )
