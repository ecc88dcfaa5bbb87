"""Ends a worker's process group together with the process of Ray that holds its place."""

from __future__ import annotations

import os
import subprocess

SCRIPT = 'exec 3<&0; (read -r _ <&3 || kill -s KILL -- "-$1") &'
"""It is no child of ours any more once the shell is gone: a line dismisses it, the end of the pipe sets it off."""


class Guard:
    """When Ray ends a process, it first kills the children of that process, the worker among them, and so before the
    worker's own pipe can end whatever the worker has started. A guard is nobody's child and does it then."""

    def __init__(self, group: int) -> None:
        self.group = group
        end, self._open = os.pipe()
        try:
            subprocess.run(
                ["/bin/sh", "-c", SCRIPT, "noria-guard", str(group)],
                stdin=end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                check=True,
            )
        finally:
            os.close(end)

    def dismiss(self) -> None:
        """The group is gone, and its number may soon be another's."""
        os.write(self._open, b"\n")
        os.close(self._open)
