"""Who moves the alias in a rollout: the one who began it, and the rollout itself where it takes its version back."""

from __future__ import annotations

from dataclasses import dataclass, field

from noria.records.rollouts import Rollout, RolloutPolicy
from noria.rollout.drive import Move, turn
from property.test_rollout import OneDoor, World


@dataclass
class Noting(OneDoor):
    """A door that remembers who moved the alias to what."""

    moves: list[tuple[int, str]] = field(default_factory=list)

    def append(self, rollout: Rollout, *, why: str, by: str, move: Move | None = None) -> bool:
        self.moves += [(move.after, move.by)] if move else []
        return super().append(rollout, why=why, by=by, move=move)


def moves(*, convicts: bool) -> list[tuple[int, str]]:
    """Of a rollout of version 2 that ada began."""
    world = World(RolloutPolicy(steps=(0.1,), quality=0.02), bad_at=None, convicts=convicts)
    door = Noting(world)
    while world.current.open:
        turn(door, world.current)
    return door.moves


def test_a_promotion_is_by_whoever_began_the_rollout() -> None:
    assert moves(convicts=False) == [(2, "ada")]


def test_what_its_labels_convict_is_taken_back_by_the_rollout() -> None:
    assert moves(convicts=True) == [(2, "ada"), (1, "rollout")]
