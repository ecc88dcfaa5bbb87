"""Whether noria.toml fits the pipeline that it names: what one file cannot know of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.declare import Resolved
from noria.errors import ConfigError
from noria.records.gates import Better, Calibration, Comparing, NoWorse, Robustness
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
    for gate in policy.gates:
        if isinstance(gate, NoWorse | Better):
            yield from _comparison_faults(gate, resolved)
        elif isinstance(gate, Robustness):
            yield from _robustness_faults(gate, resolved)
        elif isinstance(gate, Calibration) and resolved.data.label is None:
            yield "gates.calibration asks what became of probabilities, and the data have no label"


def _robustness_faults(gate: Robustness, resolved: Resolved) -> Iterator[str]:
    spec = resolved.loss_spec
    if spec is None:
        yield f"gates.robustness asks for a rise of the loss, and the pipeline declares none (@{resolved.name}.loss)"
    elif gate.at_most >= spec.range[1] - spec.range[0]:
        yield f"gates.robustness has at_most {gate.at_most:g}, which the whole range {spec.range} of the loss cannot exceed"


def _comparison_faults(gate: Comparing, resolved: Resolved) -> Iterator[str]:
    loss, spec = resolved.loss, resolved.loss_spec
    name = f"gates.{gate.metric}"
    word = "no_worse_than" if isinstance(gate, NoWorse) else "better_than"
    if loss is None or spec is None:
        yield f"{name} compares losses, and the pipeline declares none (@{resolved.name}.loss)"
        return
    if gate.metric != loss.name:
        yield (
            f"{name} cannot say {word}: only the loss, {loss.name}, is known row by row; "
            f"give {gate.metric} at_least or at_most"
        )
        return
    most, range = spec.range[1] - spec.range[0], spec.range
    asked = (
        {"margin": gate.margin, "anchor_margin": gate.anchor_margin}
        if isinstance(gate, NoWorse)
        else {"by": gate.by}
    )
    for what, value in asked.items():
        if value is not None and value >= most:
            yield f"{name} has {what} {value:g}, which the whole range {range} of the loss cannot exceed"


def _monitor_faults(policy: ModelPolicy, resolved: Resolved) -> Iterator[str]:
    watched, spec = policy.monitor, resolved.loss_spec
    if watched.loss is not None and resolved.loss is not None and watched.loss != resolved.loss.name:
        yield f"monitor.tolerance names {watched.loss}, and the loss is {resolved.loss.name}"
    if spec is not None and watched.tolerance >= spec.range[1] - spec.range[0]:
        yield f"monitor.tolerance is {watched.tolerance:g}, which the whole range {spec.range} of the loss cannot exceed"
    if "performance" in policy.retrain.on and resolved.loss is None:
        yield 'retrain.on has "performance", and the pipeline declares no loss to measure it by'
