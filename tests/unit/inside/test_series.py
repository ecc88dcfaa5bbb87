"""Spools become one table: every point, in the order in which it was written."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

from noria.inside.series import table_of
from noria.inside.spool import Spool, points_in


@pytest.fixture
def spools(tmp_path: Path) -> list[Path]:
    """Two processes' spools, each with the numbers of its own for the names."""
    first, second = Spool(tmp_path, "one"), Spool(tmp_path, "two")
    first.write([("loss", 0.5), ("größe", math.inf)], 3)
    first.write([("loss", math.nan)], None)
    second.write([("auc", 0.7), ("loss", -0.0)], -(2**63))
    for spool in (first, second):
        spool.close()
    return [first.path, second.path]


def test_a_table_has_every_point_of_every_file(spools: list[Path]) -> None:
    table = table_of(spools)
    assert table.column("name").to_pylist() == ["loss", "größe", "loss", "auc", "loss"]
    assert table.column("step").to_pylist() == [3, 3, 4, -(2**63), -(2**63)]
    values = table.column("value").to_pylist()
    assert values[:2] == [0.5, math.inf]
    assert math.isnan(values[2])
    assert math.copysign(1, values[4]) == -1
    moments = [point.at for path in spools for point in points_in(path)]
    assert table.column("at").cast("int64").to_pylist() == moments


def test_its_types_do_not_depend_on_what_was_logged(spools: list[Path]) -> None:
    full, none = table_of(spools), table_of([])
    assert (full.schema, none.num_rows) == (none.schema, 0)
    assert [str(kind) for kind in none.schema.types] == ["string", "int64", "double", "timestamp[us, tz=UTC]"]


def test_to_keep_points_imports_no_pandas(spools: list[Path], tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts
from noria.inside.series import table_of
kept = Artifacts(FolderStore(Path(sys.argv[1]))).save(table_of([Path(one) for one in sys.argv[2:]]))
print(kept.rows, "pandas" in sys.modules)
"""
    words = [sys.executable, "-c", code, str(tmp_path / "store"), *map(str, spools)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["5", "False"]


def test_a_point_that_a_kill_cut_short_is_left_out(spools: list[Path]) -> None:
    whole = spools[1].read_bytes()
    spools[1].write_bytes(whole[:-5])
    assert table_of(spools).column("name").to_pylist() == ["loss", "größe", "loss", "auc"]
