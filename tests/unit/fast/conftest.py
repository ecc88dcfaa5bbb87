"""Models are trained and asked on one thread: on a busy machine, several wait for each other more than they work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    import lightgbm  # noqa: F401 its threads are to be found, too
    import sklearn.ensemble  # noqa: F401

    with threadpool_limits(limits=1):
        yield
