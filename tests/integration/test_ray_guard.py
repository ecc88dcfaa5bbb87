"""What ends a worker's group when Ray ends the process above it: real processes, without Ray."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from noria.testing.engine_site import alive, wait_gone

HOLDER = """
import sys
from noria.adapters.ray_guard import Guard
guard = Guard(int(sys.argv[1]))
if sys.argv[2] == "dismissed":
    guard.dismiss()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group() -> Iterator[tuple[int, int]]:
    """A process that leads a group, and what it has started."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 600 & echo $!; wait"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    yield process.pid, child
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


@contextlib.contextmanager
def holder(group: int, how: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(group), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield process
    process.communicate()


def test_the_group_ends_with_the_process_though_its_leader_was_killed_first(group: tuple[int, int]) -> None:
    leader, child = group
    with holder(leader, "kept") as process:
        os.kill(leader, signal.SIGKILL)
        assert alive(child)
        process.kill()
        wait_gone(child)


def test_a_group_that_was_dismissed_is_left_alone(group: tuple[int, int]) -> None:
    leader, child = group
    with holder(leader, "dismissed") as process:
        process.kill()
    with holder(leader, "dismissed"):  # a second guard has come and gone: the first had its time
        assert alive(leader) and alive(child)
