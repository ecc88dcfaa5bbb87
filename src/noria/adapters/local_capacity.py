"""What a machine has for jobs, and what of it is taken."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field

from noria.records.needs import Needs


@dataclass(frozen=True)
class Grant:
    """What one job was given."""

    cores: tuple[int, ...]
    gpus: tuple[int, ...]
    memory: int


@dataclass
class Capacity:
    """Cores and GPUs by their numbers, and bytes. Cores are numbered anew where more are configured than there are:
    they then stand for turns on the real ones."""

    cores: list[int]
    gpus: list[int]
    memory: int
    every: frozenset[int] = field(init=False)
    """All of its cores."""
    total: int = field(init=False)
    """Bytes in all."""
    _all: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.every, self.total = frozenset(self.cores), self.memory
        self._all = (len(self.cores), len(self.gpus), self.memory)

    @property
    def size(self) -> int:
        """Cores in all."""
        return self._all[0]

    def ever(self, needs: Needs) -> bool:
        """Whether an idle machine could give it."""
        cores, gpus, memory = self._all
        return needs.cpus <= cores and needs.gpus <= gpus and (needs.memory or 0) <= memory

    def grant(self, needs: Needs) -> Grant | None:
        """Take what is needed; None while it is not free."""
        memory = needs.memory or 0
        if needs.cpus > len(self.cores) or needs.gpus > len(self.gpus) or memory > self.memory:
            return None
        given = Grant(tuple(self.cores[: needs.cpus]), tuple(self.gpus[: needs.gpus]), memory)
        del self.cores[: needs.cpus], self.gpus[: needs.gpus]
        self.memory -= memory
        return given

    def back(self, grant: Grant) -> None:
        self.cores.extend(grant.cores)
        self.gpus.extend(grant.gpus)
        self.cores.sort()
        self.gpus.sort()
        self.memory += grant.memory

    def words(self) -> str:
        """`2 cores, 0 GPUs, 24,576 MiB of memory`"""
        cores, gpus, memory = self._all
        return f"{cores} cores, {gpus} GPUs, {memory / 2**20:,.0f} MiB of memory"


def capacity(cpus: int | None, gpus: int | None, memory: int | None) -> Capacity:
    """What the settings say, else what this process may use of the machine."""
    cores = (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
    if cpus is not None:
        cores = [cores[number % len(cores)] for number in range(cpus)]
    visible = list(range(gpus)) if gpus is not None else _gpus()
    return Capacity(cores, visible, memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def asked(needs: Needs) -> str:
    """Needs in a reader's words."""
    parts = [f"{needs.cpus} cores"] if needs.cpus != 1 else ["1 core"]
    parts += [f"{needs.gpus} GPUs"] if needs.gpus else []
    parts += [f"{needs.memory / 2**20:,.0f} MiB of memory"] if needs.memory else []
    return ", ".join(parts)


def _gpus() -> list[int]:
    """NVIDIA's, as its own tool lists them; none where it is not installed."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    done = subprocess.run([tool, "--list-gpus"], capture_output=True, text=True, check=False)
    return list(range(len(done.stdout.splitlines()))) if done.returncode == 0 else []
