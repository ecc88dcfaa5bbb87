"""Whether a holdout says anything: its rows must not be among those that the model was trained on, nor lie before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.errors import StepFailed
from noria.profiles import later_than, shared_keys
from noria.records.artifacts import Artifact
from noria.records.policy import ModelPolicy
from noria.records.profiles import Finding

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved

Look = Callable[[Mapping[str, Artifact]], None]
"""Looks at a run's outputs before they are judged; raises to stop it."""


@dataclass(eq=False)
class BadSplit(StepFailed):
    code: ClassVar[str] = "DATA-OVERLAP"
    what: ClassVar[str] = "{holdout} is no holdout of {model}: {said}"
    next: ClassVar[str] = (
        "mend step {step}; or, when it is meant so, `noria run --accept-data` for this once, or other limits in "
        "[model.{model}.data] of noria.toml"
    )
    model: str
    step: str
    holdout: str
    findings: Sequence[Finding]

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "said": [one.what for one in self.findings]}


def split_inspector(
    app: App, policy: ModelPolicy, resolved: Resolved, warn: Callable[[str, str], None], *, accept: bool
) -> Look:
    """What is asked before a new candidate meets its gates: raises `BadSplit` where training and holdout overlap beyond
    the limits, and tells `warn` (step, sentence) of all else."""

    def look(outputs: Mapping[str, Artifact]) -> None:
        loss = resolved.loss_spec
        if policy.data.canary == "off" or loss is None or not resolved.data.key:
            return
        step = resolved.maker[loss.on].name
        findings = list(_findings(app, policy, resolved, outputs, loss.on))
        refused = [one for one in findings if one.severity == "refuse"]
        if refused and policy.data.canary == "refuse" and not accept:
            raise BadSplit(policy.name, step, loss.on, refused)
        for one in findings:
            warn(step, one.what)

    return look


def _findings(
    app: App, policy: ModelPolicy, resolved: Resolved, outputs: Mapping[str, Artifact], holdout: str
) -> Iterator[Finding]:
    limits, spec = policy.data, resolved.data
    if not _keyed(resolved, outputs[holdout]):
        return
    for name, reader in trained_on(resolved, outputs, holdout).items():
        if name in resolved.rows:
            if limits.overlap is not None:
                what = f"{reader} is given all rows of {name}, and so those of {holdout}, too"
                yield Finding(check="overlap", severity="warn", what=what)
            continue
        train, held = app.artifacts.table(outputs[name]), app.artifacts.table(outputs[holdout])
        if limits.overlap is not None:
            yield from shared_keys(train, held, spec.key, limits.overlap, names=(name, holdout))
        if limits.time_order != "off" and spec.time and name != holdout:
            yield from later_than(train, held, spec.time, limits.time_order, names=(name, holdout))


def trained_on(resolved: Resolved, outputs: Mapping[str, Artifact], holdout: str) -> dict[str, str]:
    """The tables of rows behind what the service has frozen, each with the step that reads it: the nearest one on each
    way, for what a step makes of its rows is its own business. A way ends at the step that cuts the holdout, where the
    other part has no key."""
    found: dict[str, str] = {}
    waiting = [(name, "predict") for name in resolved.frozen()]
    seen: set[str] = set()
    while waiting:
        name, reader = waiting.pop()
        if name in seen or name not in outputs:
            continue
        seen.add(name)
        maker = resolved.maker[name]
        if name in resolved.rows or _keyed(resolved, outputs[name]):
            found[name] = reader
        elif maker is not resolved.maker[holdout]:
            waiting += [(one, maker.name) for one in maker.inputs]
    return found


def _keyed(resolved: Resolved, artifact: Artifact) -> bool:
    columns = {column.name for column in artifact.columns}
    return artifact.codec.startswith("arrow/") and columns.issuperset(resolved.data.key)
