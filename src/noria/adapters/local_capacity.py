"""What a machine has for jobs, and what of it is free."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from noria.records.needs import Needs

CGROUPS = Path("/proc/self/cgroup")
LIMITS = (Path("/sys/fs/cgroup"), "memory.max"), (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes")
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Grant:
    """What one job was given."""

    cores: tuple[int, ...]
    gpus: tuple[str, ...]
    memory: int


@dataclass
class Free:
    """Cores by their numbers, GPUs by their names, and bytes. With more cores configured than there are, numbers come
    twice: they then stand for turns on the real ones."""

    cores: list[int]
    gpus: list[str]
    memory: int

    def grant(self, needs: Needs) -> Grant | None:
        """What a job would be given; None while it is not there."""
        memory = needs.memory or 0
        if needs.cpus > len(self.cores) or needs.gpus > len(self.gpus) or memory > self.memory:
            return None
        return Grant(tuple(self.cores[: needs.cpus]), tuple(self.gpus[: needs.gpus]), memory)

    def beside(self, needs: Needs) -> Free:
        """What others may take while a job with these needs waits: nothing of what it lacks, and of what is there
        for it, not its share."""
        memory = max(self.memory - (needs.memory or 0), 0)
        return Free(self.cores[needs.cpus :], self.gpus[needs.gpus :], memory)

    def take(self, grant: Grant) -> None:
        for core in grant.cores:
            self.cores.remove(core)
        for gpu in grant.gpus:
            self.gpus.remove(gpu)
        self.memory -= grant.memory

    def back(self, grant: Grant) -> None:
        self.cores = sorted([*self.cores, *grant.cores])
        self.gpus = sorted([*self.gpus, *grant.gpus])
        self.memory += grant.memory

    def words(self) -> str:
        """`2 cores, 0 GPUs, 24,576 MiB of memory`"""
        return f"{len(self.cores)} cores, {len(self.gpus)} GPUs, {self.memory / 2**20:,.0f} MiB of memory"


def machine(cpus: int | None = None, gpus: int | None = None, memory: int | None = None) -> Free:
    """What the settings say, else what this process may use of the machine. GPUs are looked for by `gpus_here`."""
    cores = usable_cores()
    if cpus is not None:
        cores = sorted(cores[number % len(cores)] for number in range(cpus))
    return Free(cores, gpus_here(gpus) if gpus is not None else [], memory or _memory())


def usable_cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def gpus_here(count: int | None = None) -> list[str]:
    """The names by which CUDA knows this process's GPUs: so many, else those that it was given, else NVIDIA's own tool
    lists them; none where that is not installed."""
    given = os.environ.get(VISIBLE)
    names = None if given is None else [name.strip() for name in given.split(",") if name.strip()]
    if names is not None and "-1" in names:  # CUDA sees none from there on
        names = names[: names.index("-1")]
    if count is not None:
        return names[:count] if names and len(names) >= count else list(map(str, range(count)))
    return _listed() if names is None else names


def asked(needs: Needs) -> str:
    """Needs in a reader's words."""
    parts = [f"{needs.cpus} cores" if needs.cpus != 1 else "1 core"]
    parts += [f"{needs.gpus} GPUs" if needs.gpus != 1 else "1 GPU"] if needs.gpus else []
    parts += [f"{needs.memory / 2**20:,.0f} MiB of memory"] if needs.memory else []
    return ", ".join(parts)


def _listed() -> list[str]:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    done = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=False)
    return [str(number) for number in range(len(done.stdout.splitlines()))] if done.returncode == 0 else []


def _memory() -> int:
    """The machine's, or what its container may have of it."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([there, *_limits()])


def _limits() -> Sequence[int]:
    """Limits of memory of the group that this process is in: by its own path, and as a container shows them."""
    if not CGROUPS.exists():
        return []
    paths = re.findall(r"^\d+:(?:memory)?:/?(.*)$", CGROUPS.read_text(), re.MULTILINE)
    files = {root / path / name for root, name in LIMITS for path in (*paths, "")}
    texts = [file.read_text().strip() for file in files if file.is_file()]
    return [int(text) for text in texts if text.isdigit()]
