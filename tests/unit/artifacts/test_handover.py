"""A large value between two steps: written once, mapped by its reader, never pickled. 1 GB: bench/table_handover.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from noria.artifacts import Artifacts
from noria.records.base import canonical

MEGABYTES = 64

READER = """
import json, sys
from pathlib import Path
from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts
from noria.records.artifacts import Artifact
from noria.records.base import parse
import numpy, polars, pyarrow, pickle

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))

def refuse(*_, **__):
    raise AssertionError("pickled")

pickle.loads = pickle.load = pickle.Unpickler = refuse
artifacts = Artifacts(FolderStore(Path(sys.argv[1])))
artifacts.load(artifacts.save(polars.DataFrame({"warm": [1]})))
artifact = parse(sys.argv[2], Artifact)
before = anonymous()
value = artifacts.load(artifact)
total = int(value["number"].sum() if artifact.codec.startswith("arrow") else value.sum())
print(json.dumps({"total": total, "megabytes": anonymous() - before}))
"""


@pytest.mark.parametrize("kind", ["table", "array"])
def test_a_large_value_is_written_once_and_mapped_by_its_reader(artifacts: Artifacts, kind: str) -> None:
    numbers = np.arange(MEGABYTES * 2**17)
    value: Any = pl.DataFrame({"number": numbers}) if kind == "table" else numbers
    artifact = artifacts.save(value)
    root: Path = artifacts.store.root  # type: ignore[attr-defined]
    written = [path.stat().st_size for path in root.rglob("*") if path.is_file()]
    assert MEGABYTES * 2**20 <= sum(written) < (MEGABYTES + 1) * 2**20
    done = subprocess.run(
        [sys.executable, "-c", READER, root, canonical(artifact)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert read["total"] == int(numbers.sum())
    assert read["megabytes"] < MEGABYTES / 8  # measured: under 1


def test_writing_a_large_table_takes_no_copy_of_it(artifacts: Artifacts) -> None:
    import pyarrow as pa

    frame = pl.DataFrame({"number": np.arange(MEGABYTES * 2**17)})
    before = pa.default_memory_pool().max_memory()
    artifacts.save(frame)
    assert pa.default_memory_pool().max_memory() - before < MEGABYTES * 2**20 / 8
