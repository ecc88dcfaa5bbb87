"""What a process that runs the user's code has around it: one definition, for workers and for services alike.

A worker checks a transform and a service repeats it for a request. Under another hash seed, `hash(depot) % 97` and the
order of a set would be others there, and answers with them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

FIXED = {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
"""Read once, when an interpreter starts: the order of sets, the text of files, how times and numbers are written."""
THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS"),
    *("VECLIB_MAXIMUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS", "LOKY_MAX_CPU_COUNT"),
)
"""Variables that libraries read when they are imported: how sums are split, and so how they are rounded."""


def surroundings(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for such a process, out of that of whoever starts it. A relative PYTHONPATH is made absolute,
    for the new process may stand in another folder."""
    made = {**given, **FIXED}
    if path := given.get("PYTHONPATH"):
        made["PYTHONPATH"] = os.pathsep.join(str(Path(part).absolute()) for part in path.split(os.pathsep))
    return made


def in_force() -> bool:
    """Whether this interpreter was started with what is fixed."""
    return not sys.flags.hash_randomization and bool(sys.flags.utf8_mode)
