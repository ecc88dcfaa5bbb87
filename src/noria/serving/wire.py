"""What the keeper of a service and its workers say to one another, over one socket a worker.

A message is one datagram of JSON, tagged with what it is, and may carry open sockets. Each side says its protocol first
(`Hello`, `Ready`); a message that the other side does not know is passed over, so that a worker in the environment of an
older version, with the Noria of that time, can still be kept.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from noria.records.routing import Routing

PROTOCOL = 5
"""1 knew no routing: such a worker can be a champion, but sends nothing on, and is no challenger. 2 knew no gRPC: such a worker
answers over HTTP as before, and its keeper waits in vain, but not for long, for its word that it is `Listening`. 3 knew neither tokens nor TLS: such a worker
would answer anybody, so no keeper that wants either lets it. 4 knew no other models beside its own."""
GUARDED = 4  # the first protocol whose workers ask for tokens, and speak TLS
ROUTING = 2  # the first protocol whose workers listen for their siblings
SHARING = 5  # the first whose workers know of a service's other models
LARGEST = 60_000  # bytes of a message: what any kernel takes as one datagram
SOCKETS = 16  # sockets in one message; kernels allow some 250


class Message(msgspec.Struct, frozen=True, tag_field="is", rename="kebab"):
    """A message; its class's name in lower case is what it is."""


class Accept(Message, frozen=True, tag="accept"):
    """To a worker, with a listening socket: answer who connects to it, from now on."""


class Take(Message, frozen=True, tag="take"):
    """Connections, each between two requests: go on with them."""

    to: str = ""
    """From a worker: the model that they ask for; empty for its own."""
    moves: int = 0
    """How often they have gone from one model to another."""


class Leave(Message, frozen=True, tag="leave"):
    """To a worker: accept nobody any more, give back every connection as soon as it is between two requests, and end."""


class Drain(Message, frozen=True, tag="drain"):
    """To a worker: accept nobody any more, let each answer be the last of its connection, and end."""


class Told(Message, frozen=True, tag="told"):
    """To a worker: why the version that is followed is not the one that answers; empty when it is."""

    problem: str


class Route(Message, frozen=True, tag="route"):
    """To a worker: what it answers itself, and what others do, from now on."""

    serial: int
    """Counts these messages; a table is sent again when the workers that it leads to have changed."""
    table: Routing
    sockets: dict[str, tuple[str, ...]]
    """Where the workers of each version listen, by its number."""
    aliases: dict[str, int]
    """Names of versions that are loaded."""


class Neighbour(msgspec.Struct, frozen=True):
    """Another model of the service."""

    sockets: tuple[str, ...] = ()
    """Where its champion's workers listen for their siblings; nowhere while it is not loaded."""


class Neighbours(Message, frozen=True, tag="neighbours"):
    """To a worker, and to the door: every model of the service, its own among them, from now on."""

    serial: int
    models: dict[str, Neighbour]
    ready: bool
    """Whether those are loaded that must be, and can log what they answer."""


class Knows(Message, frozen=True, tag="knows"):
    """From a worker: it asks nobody any more who is not in these `Neighbours`."""

    serial: int


class Tokens(Message, frozen=True, tag="tokens"):
    """To a worker, and to the door: go by the tokens that are written down now."""

    serial: int


class Part(Message, frozen=True, tag="part"):
    """To a worker: give back this share of its connections, each when it is next between two requests."""

    share: float


class Routed(Message, frozen=True, tag="routed"):
    """From a worker: no request goes by an older table any more."""

    serial: int


class Ready(Message, frozen=True, tag="ready"):
    """From a worker: it could answer now."""

    protocol: int
    pid: int


class Listening(Message, frozen=True, tag="listening"):
    """From a worker that was told to accept: its own ports are open too."""


class Logs(Message, frozen=True, tag="logs"):
    """From a worker, as it changes: whether what it answers can be logged, and so given. Before, it can."""

    works: bool


class Outdone(Message, frozen=True, tag="outdone"):
    """From a worker, now and then: it came up without its version's fast form, which a fresh one would have now."""


class Failed(Message, frozen=True, tag="failed"):
    """From a worker: it cannot answer, and ends. `reason` may name paths."""

    code: str
    reason: str


AnyMessage = (
    Accept
    | Take
    | Leave
    | Drain
    | Told
    | Route
    | Neighbours
    | Knows
    | Tokens
    | Part
    | Routed
    | Ready
    | Listening
    | Logs
    | Outdone
    | Failed
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AnyMessage).decode


def pair() -> tuple[socket.socket, socket.socket]:
    """The keeper's end and the worker's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def say(channel: socket.socket, message: AnyMessage, sockets: Sequence[socket.socket] = ()) -> None:
    """Send a message; blocks while the other side is behind. Raises OSError when the other side is gone."""
    blocking = channel.getblocking()
    channel.setblocking(True)
    try:
        socket.send_fds(channel, [_encode(message)], [one.fileno() for one in sockets])
    finally:
        channel.setblocking(blocking)


def give(channel: socket.socket, connections: Sequence[socket.socket]) -> None:
    """Hand connections to the other side, and close them here."""
    for start in range(0, len(connections), SOCKETS):
        some = connections[start : start + SOCKETS]
        say(channel, Take(), some)
        for one in some:
            one.close()


def hear(channel: socket.socket) -> tuple[AnyMessage | None, list[socket.socket]] | None:
    """The next message with its sockets; None in its place where it is of a kind that is not known here; None for all
    when the other side is gone. Raises BlockingIOError where nothing has come."""
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, LARGEST, 4 * SOCKETS)
    except ConnectionError:
        return None
    if not data:
        return None
    sockets = [socket.socket(fileno=one) for one in descriptors]
    message = None
    with suppress(msgspec.ValidationError):  # of a later protocol
        message = _decode(data)
    return message, sockets
