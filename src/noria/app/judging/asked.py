"""Which gates a candidate meets: the policy's, those that stand by themselves, and the anchor beside the champion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from noria.records.base import Digest, digest_of
from noria.records.events import AliasMoved, Change
from noria.records.gates import ANCHOR, Expectation, Gate, NoWorse, Schema
from noria.records.policy import ModelPolicy
from noria.registry.references import CHAMPION

ROLLOUT = "rollout"
PARTS = frozenset({"gates", ROLLOUT})
"""Who moves aliases and is no person."""


def asked_by(policy: ModelPolicy) -> Digest:
    """Of all in noria.toml that a judgement goes by, but its defaults: a later Noria may add some."""
    return digest_of((policy.gates, policy.monitor.block))


def with_standing_gates(asked: Sequence[Gate]) -> list[Gate]:
    """The policy's gates. Where it says nothing of them, the schema is held to the champion's while a service answers
    with that, and what the pipeline expects must hold."""
    gates = [gate for gate in asked if not _is_off(gate)]
    if not any(isinstance(gate, Schema) for gate in asked):
        gates.append(Schema(served=True))
    if not any(isinstance(gate, Expectation) for gate in asked):
        gates.append(Expectation())
    return gates


def _is_off(gate: Gate) -> bool:
    return (isinstance(gate, Schema) and gate.least == "off") or (isinstance(gate, Expectation) and gate.off)


def with_anchor(gates: Iterable[Gate], anchor: int | None) -> Iterator[Gate]:
    """Beside each comparison with the champion that asks for it, the same one with the anchor, where there is one."""
    for gate in gates:
        yield gate
        if anchor is not None and isinstance(gate, NoWorse) and _asks_for_anchor(gate):
            yield NoWorse(
                metric=gate.metric,
                than=ANCHOR,
                margin=gate.margin if gate.anchor_margin is None else gate.anchor_margin,
                alpha=gate.alpha,
                segments=gate.segments,
                anchor=False,
            )


def asks_for_anchor(gates: Iterable[Gate]) -> bool:
    """Whether any of them does."""
    return any(_asks_for_anchor(gate) for gate in gates)


def _asks_for_anchor(gate: Gate) -> bool:
    return isinstance(gate, NoWorse) and gate.than == CHAMPION and gate.anchor


def anchor_of(moves: Iterable[Change | None]) -> int | None:
    """The version that a person last made champion, by hand or by a rollout that they began; else the first one that ever
    was. Promotions by gates move no anchor: else each could be worse than the one before by the margin, and nobody would see
    how far that goes. A person's choice that its labels convict, so that the rollout takes it back, is none any more."""
    first: int | None = None
    been: set[int] = set()
    chosen: list[int] = []
    for moved in moves:
        if not isinstance(moved, AliasMoved) or moved.alias != CHAMPION or moved.after is None:
            continue
        first = first or moved.after
        if moved.by not in PARTS:
            chosen.append(moved.after)
        elif moved.by == ROLLOUT and moved.after in been and chosen[-1:] == [moved.before]:
            chosen.pop()
        been.add(moved.after)
    return chosen[-1] if chosen else first
