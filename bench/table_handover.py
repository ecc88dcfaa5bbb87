"""A large table handed from one process to another: written once, mapped by its reader, never pickled.

    python bench/table_handover.py [--megabytes 1024] [--folder DIR] [--text]

Beside it, in the same run, what one would do by hand: write each column's bytes to a file, flush it, and map it in
the other process. Prints JSON: seconds and ratios, the memory that the reader and the writer took beyond the table
(anonymous pages: what a mapped file needs can be dropped at any time and is not among them), and bytes on the disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts

COLUMNS = 16


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to be measured")
    parser.add_argument("--repeat", type=int, default=3, help="times; the best of each figure counts")
    parser.add_argument("--text", action="store_true", help="add a column of text, a quarter of the bytes")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="handover-", dir=asked.folder))
    try:
        print(
            json.dumps(
                best(
                    [measure(folder / str(turn), asked.megabytes, asked.text) for turn in range(asked.repeat)]
                ),
                indent=2,
            )
        )
    finally:
        shutil.rmtree(folder)


def measure(folder: Path, megabytes: int, text: bool) -> dict[str, Any]:
    """All figures of one size, each side in a fresh process."""
    folder.mkdir()
    rows = megabytes * 2**20 // (COLUMNS * 8)
    hand = in_process(write_by_hand, folder, rows, text)
    read_hand = in_process(read_by_hand, folder, rows)
    ours = in_process(write_ours, folder, rows, text)
    read = in_process(read_ours, folder, ours["artifact"])
    stored = sum(file.stat().st_size for file in (folder / "store" / "objects").rglob("*") if file.is_file())
    shutil.rmtree(folder)
    return {
        "megabytes": megabytes,
        "rows": rows,
        "text": text,
        "write_seconds": ours["seconds"],
        "write_seconds_by_hand": hand["seconds"],
        "read_seconds": read["seconds"],
        "read_seconds_by_hand": read_hand["seconds"],
        "writer_extra_mb": ours["extra_mb"],
        "reader_extra_mb": read["extra_mb"],
        "stored_mb": round(stored / 2**20, 1),
        "same_sum": read["sum"] == read_hand["sum"],
    }


def best(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """The fastest and leanest of several turns, and the ratio of the fastest."""
    least = {name: min(turn[name] for turn in turns) for name in turns[0]}
    ours = least["write_seconds"] + least["read_seconds"]
    ratio = ours / (least["write_seconds_by_hand"] + least["read_seconds_by_hand"])
    return {**least, "turns": len(turns), "ratio": round(ratio, 2)}


def in_process(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Run it in a process that has done nothing else."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def write_ours(folder: Path, rows: int, text: bool) -> dict[str, Any]:
    frame = table(rows, text)
    artifacts = Artifacts(FolderStore(folder / "store"))
    artifacts.save(table(10, text))  # imports and folders are not what is measured
    start = time.perf_counter()
    with Memory() as memory:
        artifact = artifacts.save(frame)
    seconds = time.perf_counter() - start
    return {"artifact": artifact, "seconds": round(seconds, 3), "extra_mb": memory.extra_mb}


def read_ours(folder: Path, artifact: Any) -> dict[str, Any]:
    import polars as pl

    artifacts = Artifacts(FolderStore(folder / "store"))
    artifacts.load(artifacts.save(table(10, False)))
    start = time.perf_counter()
    with Memory() as memory:
        frame = artifacts.load(artifact, pl.DataFrame)
        total = sum(int(frame[f"c{column}"].sum()) for column in range(COLUMNS))
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 3), "sum": total, "extra_mb": memory.extra_mb}


def write_by_hand(folder: Path, rows: int, text: bool) -> dict[str, Any]:
    frame = table(rows, text)
    buffers(table(10, text))  # imports are not what is measured
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
    arrays = [column.combine_chunks() for column in frame.to_arrow().columns]
    return [
        memoryview(buffer).cast("B") for array in arrays for buffer in array.buffers() if buffer is not None
    ]


def table(rows: int, text: bool) -> Any:
    import numpy as np
    import polars as pl

    frame = pl.DataFrame({f"c{at}": np.arange(rows) * (at + 1) for at in range(COLUMNS)})
    if text and rows:
        frame = frame.with_columns(text=pl.format("a flight number {} of the year", pl.col("c0")))
    return frame


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
    main()
