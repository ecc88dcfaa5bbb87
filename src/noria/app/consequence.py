"""What follows when a version may be champion: its alias moves, or a rollout begins that may let it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noria.records.events import AliasMoved, Change
from noria.records.rollouts import Owing
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.app.wiring import App


def consequence(app: App, version: Version, moved: AliasMoved) -> tuple[Sequence[Change], str]:
    """The changes, and why there are none where a rollout cannot begin."""
    policy = app.model(version.model).rollout
    if moved.before is None or policy is None or policy.strategy == "replace":
        return (moved,), ""
    if held := _under_way(app, version.model):
        return (), held
    from noria.app.rollouts.verbs import (  # with numpy: for those alone who roll out
        NothingToReplace,
        Unseen,
        begun,
    )

    try:
        return begun(app, version, policy, by=moved.by), ""
    except (NothingToReplace, Unseen) as error:  # what led here has come to its end, and the version stays
        return (), str(error)


def _under_way(app: App, model: str) -> str:
    """Another rollout that has to end first; one that only waits for labels gives way."""
    last = next(iter(app.records.rollouts.rollouts(model)), None)
    if last is None or not last.open or isinstance(last.phase, Owing):
        return ""
    return f"rollout {last.name} of {model}:{last.version} is under way, and a model has one at a time"
