"""Where a service listens."""

from __future__ import annotations

import ipaddress
import socket

from noria.serving.errors import NotLoopback, PortTaken


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `NotLoopback`, `PortTaken`."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NotLoopback(host=host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise PortTaken(host=host, port=port, reason=str(error)) from error
    bound.set_inheritable(False)
    return bound


def reserve(host: str, port: int) -> socket.socket:
    """A bound socket that listens to nobody, so that others may bind its port beside it, and nobody else's service
    has it; port 0 takes a free one. Raises `NotLoopback`, `PortTaken`."""
    alone = listen(
        host, port
    )  # somebody else's socket with SO_REUSEPORT would not mind ours, and share our calls
    address = alone.getsockname()
    beside = socket.socket(alone.family, socket.SOCK_STREAM)
    beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    alone.close()
    try:
        beside.bind(address)
    except OSError as error:
        beside.close()
        raise PortTaken(host=host, port=port, reason=str(error)) from error
    beside.set_inheritable(False)
    return beside


def host_and_port(bound: socket.socket) -> str:
    return url_of(bound).removeprefix("http://")


def url_of(bound: socket.socket) -> str:
    host, port, *_ = bound.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
