"""When a block's labels are there."""

from __future__ import annotations

from datetime import timedelta

from noria.records.policy import ModelPolicy
from noria.records.versions import Version


def maturity(version: Version, policy: ModelPolicy) -> timedelta | None:
    """How long after a block's end it is scored: as noria.toml says, else the version's own label delay. None when
    neither is known: then no age is right, and to score at once would be to score before any label can come."""
    given = policy.monitor.maturity
    seconds = version.label_delay if given is None else given
    return None if seconds is None else timedelta(seconds=seconds)
