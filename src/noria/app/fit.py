"""Whether noria.toml fits the pipeline that it names: what one file cannot know of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.declare import Resolved
from noria.errors import ConfigError
from noria.records.gates import NoWorse
from noria.records.policy import ModelPolicy


@dataclass(eq=False)
class PolicyMismatch(ConfigError):
    code: ClassVar[str] = "POLICY-MISMATCH"
    what: ClassVar[str] = "noria.toml does not fit the pipeline of {model}: {faults}"
    next: ClassVar[str] = "mend [model.{model}] in noria.toml; nothing was run"
    model: str
    faults: Sequence[str]


def check_fit(policy: ModelPolicy, resolved: Resolved) -> None:
    """Raises `PolicyMismatch` with every fault."""
    faults = [*_gate_faults(policy, resolved), *_monitor_faults(policy, resolved)]
    if faults:
        raise PolicyMismatch(model=policy.name, faults=faults)


def _gate_faults(policy: ModelPolicy, resolved: Resolved) -> Iterator[str]:
    loss, spec = resolved.loss, resolved.loss_spec
    for gate in policy.gates:
        if not isinstance(gate, NoWorse):
            continue
        name = f"gates.{gate.metric}"
        if loss is None or spec is None:
            yield f"{name} compares losses, and the pipeline declares none (@{resolved.name}.loss)"
        elif gate.metric != loss.name:
            yield (
                f"{name} cannot say no_worse_than: only the loss, {loss.name}, is known row by row; "
                f"give {gate.metric} at_least or at_most"
            )
        elif gate.margin >= spec.range[1] - spec.range[0]:
            yield f"{name} has margin {gate.margin:g}, which the whole range {spec.range} of the loss cannot exceed"


def _monitor_faults(policy: ModelPolicy, resolved: Resolved) -> Iterator[str]:
    watched, spec = policy.monitor, resolved.loss_spec
    if watched.loss is not None and resolved.loss is not None and watched.loss != resolved.loss.name:
        yield f"monitor.tolerance names {watched.loss}, and the loss is {resolved.loss.name}"
    if spec is not None and watched.tolerance >= spec.range[1] - spec.range[0]:
        yield f"monitor.tolerance is {watched.tolerance:g}, which the whole range {spec.range} of the loss cannot exceed"
    if "performance" in policy.retrain.on and resolved.loss is None:
        yield 'retrain.on has "performance", and the pipeline declares no loss to measure it by'
