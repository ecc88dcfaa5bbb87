"""A gRPC server that leaves without a lost call: it stops listening, its connections come of age, and only then it stops.

gRPC's own `stop` cancels calls that arrive before their caller has read its GOAWAY. A connection that is too old is told to go
in two steps, as HTTP/2 has it, and what comes in between is answered. grpcio has no word for "listen no more", so the listening
sockets are found among this process's own and shut down (Linux; where that does nothing, `stop` is what there is).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

AGE = 5.0  # s that a connection lives, a tenth more or less: a caller connects again in a millisecond
OPTIONS = (("grpc.max_connection_age_ms", int(1000 * AGE)),)
PATIENCE = 2.0 * AGE  # s until the last connection is gone, but for calls in flight
LOOK = 0.1  # s between two looks at them
FAMILIES = (socket.AF_INET, socket.AF_INET6)
FOLDERS = (Path("/proc/self/fd"), Path("/dev/fd"))


async def come_of_age(port: int) -> None:
    """Listen no more on a port, and wait until who is connected to it was told to go."""
    for listening in _sockets(port, _listens):
        with suppress(OSError):  # somebody else may have closed it just now
            listening.shutdown(socket.SHUT_RDWR)
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while any(_sockets(port, _is_connected)) and loop.time() < until:
        await asyncio.sleep(LOOK)


def _sockets(port: int, kind: Callable[[socket.socket], bool]) -> Iterator[socket.socket]:
    """This process's own sockets of a port and a kind, each for as long as it is looked at."""
    folder = next((folder for folder in FOLDERS if folder.is_dir()), None)
    for each in list(folder.iterdir()) if folder else ():
        try:
            copy = socket.socket(fileno=os.dup(int(each.name)))
        except OSError:  # no socket, or gone by now
            continue
        with copy, suppress(OSError):
            if copy.family in FAMILIES and copy.getsockname()[1] == port and kind(copy):
                yield copy


def _listens(found: socket.socket) -> bool:
    return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _is_connected(found: socket.socket) -> bool:
    try:
        found.getpeername()
    except OSError:
        return False
    return True
