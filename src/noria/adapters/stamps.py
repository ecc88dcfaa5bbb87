"""What this machine has verified already: it saves reading a file again, and can hide nothing that changes it.

A stamp is one line of digest, device, inode, modification time and size. Lines are appended with one write, so any
number of processes may add at once; a torn line equals no stamp and costs one more verification, as does a file
that cannot be written. No line is ever trusted for anything but its exact match.
"""

# As in folder.py:
# ruff: noqa: PTH103, PTH123

from __future__ import annotations

import os

LARGEST = (
    1 << 20
)  # bytes of one shard, some 7,000 stamps; a larger one is begun anew rather than read at every miss


class Stamps:
    """The stamps of one machine, in one file for each first byte of a digest."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen: set[bytes] = set()

    def knows(self, digest: str, stat: os.stat_result) -> bool:
        """Whether a file of just this device, inode, time and size was verified to hold the digest's bytes."""
        stamp = _stamp(digest, stat)
        if stamp not in self._seen and stamp in self._stored(digest):
            self._seen.add(stamp)
        return stamp in self._seen

    def add(self, digest: str, stat: os.stat_result) -> None:
        """Remember a verification, for other processes too where the folder can be written."""
        stamp = _stamp(digest, stat)
        if stamp in self._seen:
            return
        self._seen.add(stamp)
        try:
            self._append(digest, stamp)
        except FileNotFoundError:
            self._append_first(digest, stamp)
        except OSError:
            return  # a store that cannot be written is verified once a process instead of once a machine

    def renew(self, digest: str, before: os.stat_result, after: os.stat_result) -> None:
        """The same bytes got another time: what was verified before still is."""
        same = (before.st_dev, before.st_ino, before.st_size) == (after.st_dev, after.st_ino, after.st_size)
        if same and self.knows(digest, before):
            self.add(digest, after)

    def _stored(self, digest: str) -> bytes:
        try:
            with open(self._shard(digest), "rb") as file:
                return b"\n" + file.read(LARGEST)
        except OSError:
            return b""

    def _append(self, digest: str, stamp: bytes) -> None:
        descriptor = os.open(
            self._shard(digest), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666
        )
        try:
            if os.fstat(descriptor).st_size > LARGEST:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, stamp[1:])
        finally:
            os.close(descriptor)

    def _append_first(self, digest: str, stamp: bytes) -> None:
        try:
            os.makedirs(self._folder, exist_ok=True)
            self._append(digest, stamp)
        except OSError:
            return  # as above: only this process remembers

    def _shard(self, digest: str) -> str:
        return f"{self._folder}/{digest[7:9]}"


def _stamp(digest: str, stat: os.stat_result) -> bytes:
    line = f"\n{digest[7:]} {stat.st_dev:x} {stat.st_ino:x} {stat.st_mtime_ns:x} {stat.st_size:x}\n"
    return line.encode()
