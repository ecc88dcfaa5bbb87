"""Holding a process to its cores and its memory, where the system can do it (Linux)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS = Path("/proc/self/status")
OOM = (Path("/sys/fs/cgroup/memory.events"), Path("/sys/fs/cgroup/memory/memory.oom_control"))


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
    wanted = _taken() + memory
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def kills() -> int:
    """How many processes of this machine's group the kernel has ended for lack of memory; 0 where it does not say."""
    for file in OOM:
        with contextlib.suppress(OSError):
            found = re.search(r"^oom_kill (\d+)$", file.read_text(), re.MULTILINE)
            return int(found[1]) if found else 0
    return 0


def _taken() -> int:
    """Bytes of private memory that this process may write to."""
    found = re.search(r"^VmData:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
