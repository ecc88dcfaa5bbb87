"""Holding a process to its cores and its memory, where the system can do it (Linux)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS = Path("/proc/self/status")
KILLS = Path("/proc/vmstat")


def hold_to(pid: int, cores: Iterable[int]) -> None:
    """Let every thread of a process run on these cores alone; threads that it starts later inherit it. A process
    that is gone, or a system without the call, is left as it is."""
    if not hasattr(os, "sched_setaffinity"):
        return
    wanted = set(cores)
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread that has just ended
                os.sched_setaffinity(int(thread.name), wanted)


@contextmanager
def held_to(memory: int | None) -> Iterator[None]:
    """Let this process take so many bytes more than it has, until the block ends: beyond, an allocation fails, which
    Python and most libraries turn into MemoryError. Files that are mapped to be read do not count."""
    if memory is None or not STATUS.exists():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = min([_taken() + memory, *(limit for limit in (soft, hard) if limit >= 0)])
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def kills() -> int:
    """How many processes the kernel has ended for lack of memory since it started; 0 where it does not say."""
    with contextlib.suppress(OSError):
        found = re.search(r"^oom_kill (\d+)$", KILLS.read_text(), re.MULTILINE)
        return int(found[1]) if found else 0
    return 0


def _taken() -> int:
    """Bytes of private memory that this process may write to."""
    found = re.search(r"^VmData:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
