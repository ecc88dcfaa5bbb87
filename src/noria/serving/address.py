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


def url_of(bound: socket.socket) -> str:
    host, port, *_ = bound.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
