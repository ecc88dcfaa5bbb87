"""The end of the keeper's channel, in a process that the keeper started: what it says is acted on, and it is told back."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

from noria.serving import wire

Act = Callable[["wire.AnyMessage | None", list[socket.socket]], bool]


class Post:
    """For the event loop's thread.

    `act`: carries a message out, with the sockets that came with it; False for what it does not know, whose sockets are then
    closed. `gone`: is called once, when the keeper is.
    """

    def __init__(self, channel: socket.socket, act: Act, gone: Callable[[], None]) -> None:
        self._channel = channel
        self._act = act
        self._gone = gone

    def open(self) -> None:
        """Hear from now on."""
        self._channel.setblocking(False)
        asyncio.get_running_loop().add_reader(self._channel, self._hear)

    def say(self, message: wire.AnyMessage) -> None:
        """Tell the keeper, if it is still there: the channel's end says when it is not."""
        with suppress(OSError):
            wire.say(self._channel, message)

    def give(self, sockets: Sequence[socket.socket]) -> None:
        """Hand connections over; without a keeper they end here."""
        try:
            wire.give(self._channel, sockets)
        except OSError:
            _close(sockets)

    def _hear(self) -> None:
        while True:
            try:
                heard = wire.hear(self._channel)
            except BlockingIOError:
                return
            if heard is None:
                asyncio.get_running_loop().remove_reader(self._channel)
                self._gone()
                return
            message, sockets = heard
            if not self._act(message, sockets):
                _close(sockets)


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
