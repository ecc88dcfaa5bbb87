"""A large table or array handed from one process to another: written once, mapped by its reader, never pickled.

    python bench/table_handover.py [--megabytes 100 1024] [--kinds array table text] [--folder DIR]

Beside it, in the same rounds, what one would do by hand: write the bytes to a file, flush it, and map it in the other
process. The memory is what the reader and the writer took beyond the value itself, in anonymous pages: what a mapped file
needs can be dropped at any time and is not among them. Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measuring import NORIA, Figure, compiled, options, report

from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts

COLUMNS = 16
KINDS = ("array", "table", "text")  # the last is a table with a column of text, a quarter of the bytes
HAND = "by hand"
RATIO, EXTRA_MB = 1.5, 100.0  # times of what it takes by hand; beyond the value itself


def main() -> int:
    parser = options(__doc__, repeat=4)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100, 1024])
    parser.add_argument("--kinds", choices=KINDS, nargs="+", default=["array", "table"])
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    asked = parser.parse_args()
    compiled()
    folder = Path(tempfile.mkdtemp(prefix="handover-", dir=asked.folder))
    try:
        figures = [
            figure
            for megabytes in asked.megabytes
            for kind in asked.kinds
            for figure in measured(folder, megabytes, kind, asked.repeat)
        ]
    finally:
        shutil.rmtree(folder)
    return report("table_handover", figures, asked)


def measured(folder: Path, megabytes: int, kind: str, rounds: int) -> list[Figure]:
    what = f"{kind} of {megabytes} MB"
    seconds = Figure(f"{what}, written and read", "s")
    ratio = Figure(f"{what}, times of by hand", "times", limit=RATIO)
    extra = Figure(f"{what}, memory beyond it", "MB", limit=EXTRA_MB)
    for turn in range(rounds):
        found = measure(folder / f"{kind}-{megabytes}-{turn}", megabytes, kind, ours_first=turn % 2 == 1)
        seconds.add(NORIA, found["ours"])
        seconds.add(HAND, found["by_hand"])
        ratio.add(NORIA, found["ours"] / found["by_hand"])
        extra.add(NORIA, found["extra_mb"])
    return [seconds, ratio, extra]


def measure(folder: Path, megabytes: int, kind: str, *, ours_first: bool) -> dict[str, float]:
    """Both ways in turn, each side in a fresh process; both must find the same numbers.

    Who comes first changes from round to round, and what was written before is on the disk by then: one that is still
    busy with the first's bytes holds up the second.
    """
    folder.mkdir()
    rows = megabytes * 2**20 // (COLUMNS * 8)
    done: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for way in ("ours", "hand") if ours_first else ("hand", "ours"):
        os.sync()
        done[way] = through_noria(folder, rows, kind) if way == "ours" else through_hand(folder, rows, kind)
    shutil.rmtree(folder)
    (ours, read), (hand, read_hand) = done["ours"], done["hand"]
    if read["sum"] != read_hand["sum"]:
        raise SystemExit(f"{kind}: {read['sum']} was read, {read_hand['sum']} by hand")
    return {
        "ours": ours["seconds"] + read["seconds"],
        "by_hand": hand["seconds"] + read_hand["seconds"],
        "extra_mb": max(ours["extra_mb"], read["extra_mb"]),
    }


def through_noria(folder: Path, rows: int, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    written = in_process(write_ours, folder, rows, kind)
    return written, in_process(read_ours, folder, written["artifact"], kind)


def through_hand(folder: Path, rows: int, kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    return in_process(write_by_hand, folder, rows, kind), in_process(read_by_hand, folder, rows)


def in_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Run it in a process that has done nothing else."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def write_ours(folder: Path, rows: int, kind: str) -> dict[str, Any]:
    frame = value(rows, kind)
    artifacts = Artifacts(FolderStore(folder / "store"))
    artifacts.save(value(10, kind))  # imports and folders are not what is measured
    start = time.perf_counter()
    with Memory() as memory:
        artifact = artifacts.save(frame)
    seconds = time.perf_counter() - start
    return {"artifact": artifact, "seconds": round(seconds, 3), "extra_mb": memory.extra_mb}


def read_ours(folder: Path, artifact: Any, kind: str) -> dict[str, Any]:
    artifacts = Artifacts(FolderStore(folder / "store"))
    artifacts.load(artifacts.save(value(10, kind)))
    start = time.perf_counter()
    with Memory() as memory:
        found = artifacts.load(artifact)
        total = sum(int(column.sum()) for column in columns(found))
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 3), "sum": total, "extra_mb": memory.extra_mb}


def write_by_hand(folder: Path, rows: int, kind: str) -> dict[str, Any]:
    frame = value(rows, kind)
    buffers(value(10, kind))  # imports are not what is measured
    start = time.perf_counter()
    descriptor = os.open(folder / "by-hand", os.O_WRONLY | os.O_CREAT)
    for buffer in buffers(frame):
        done = 0
        while done < len(buffer):
            done += os.write(descriptor, buffer[done : done + 2**26])
    os.fdatasync(descriptor)
    os.close(descriptor)
    return {"seconds": round(time.perf_counter() - start, 3)}


def read_by_hand(folder: Path, rows: int) -> dict[str, Any]:
    import numpy as np

    start = time.perf_counter()  # the process has imported what it needs
    mapped = np.memmap(folder / "by-hand", dtype=np.int64, mode="r", shape=(COLUMNS, rows))
    total = sum(int(column.sum()) for column in mapped)
    return {"seconds": round(time.perf_counter() - start, 3), "sum": total}


def buffers(frame: Any) -> list[memoryview]:
    """The numbers, column by column, then what the text column lies in."""
    if not hasattr(frame, "to_arrow"):
        return [memoryview(frame).cast("B")]
    arrays = [column.combine_chunks() for column in frame.to_arrow().columns]
    return [
        memoryview(buffer).cast("B") for array in arrays for buffer in array.buffers() if buffer is not None
    ]


def value(rows: int, kind: str) -> Any:
    """The same numbers as an array with a row a column, or as a table."""
    import numpy as np
    import polars as pl

    if kind == "array":
        return np.arange(rows) * np.arange(1, COLUMNS + 1)[:, None]
    frame = pl.DataFrame({f"c{at}": np.arange(rows) * (at + 1) for at in range(COLUMNS)})
    if kind == "text" and rows:
        frame = frame.with_columns(text=pl.format("a flight number {} of the year", pl.col("c0")))
    return frame


def columns(found: Any) -> Any:
    """The numbers, column by column."""
    return found if not hasattr(found, "columns") else [found[f"c{at}"] for at in range(COLUMNS)]


class Memory:
    """The most memory that its block took beyond what was there before, that is no file's."""

    def __enter__(self) -> Memory:
        self._before = self._most = anonymous_mb()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()
        self.extra_mb = round(self._most - self._before, 1)

    def _watch(self) -> None:
        while not self._over.wait(0.005):  # s; a copy of a column of 64 MB takes four times as long
            self._most = max(self._most, anonymous_mb())


def anonymous_mb() -> float:
    """Memory of this process that is no file's, now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


if __name__ == "__main__":
    raise SystemExit(main())
