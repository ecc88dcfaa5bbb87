"""The machine that a run runs on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from noria.records.sources import Machine

CPUINFO = Path(
    "/proc/cpuinfo"
)  # Linux; elsewhere the architecture has to do, for a process costs milliseconds


def machine(threads: int) -> Machine:
    """What a reader needs to understand a difference in speed or in the last bits of a result."""
    return Machine(
        host=platform.node(),
        cpu=_cpu(),
        cores=_cores(),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        threads=threads,
    )


def _cpu() -> str:
    text = CPUINFO.read_text(errors="replace") if CPUINFO.exists() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)  # not on ARM
    return named[1].strip() if named else platform.machine()


def _cores() -> int:
    """Those that this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
