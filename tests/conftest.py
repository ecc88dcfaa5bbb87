"""What every test stands on: no settings of the person who runs it, and hypothesis without surprises."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from servers import postgres_server  # noqa: F401 - a fixture, for every test
from servers_ray import ray_cluster  # noqa: F401 - a fixture, for every test
from servers_s3 import s3  # noqa: F401 - a fixture, for every test

# A commit needs a name; nothing else of the reader's git configuration (signing, hooks, aliases) may matter.
os.environ |= {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}
for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
    os.environ.pop(name, None)  # set when the tests run from a git hook

# A deadline on a busy machine fails tests for being unlucky; their number is what keeps them short.
settings.register_profile(
    "noria", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("noria")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What `make soak` alone runs is not there in an ordinary run: its shorter form is."""
    if os.environ.get("NORIA_SOAK"):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("soak")]
