"""Where a service listens, and who must show a token there."""

from __future__ import annotations

import ipaddress
import socket

from noria.serving.service_errors import BadHost, NotLoopback, PortTaken


def require_guarded(host: str, *, auth: str, tokens: bool) -> None:
    """Only this machine's own users may reach a service that asks nobody for a token; `tokens`: whether there is one
    that could be shown. Raises `BadHost`, `NotLoopback`."""
    if is_loopback(host):
        return
    if auth == "off":
        raise NotLoopback(host, 'auth = "off" asks nobody for a token', 'take auth = "off" out of [service]')
    if not tokens:
        raise NotLoopback(
            host, "this project has no token that anybody could show", "noria token create NAME --scope infer"
        )


def is_loopback(host: str) -> bool:
    """Raises `BadHost`."""
    return ipaddress.ip_address(_address(host)).is_loopback


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `BadHost`, `PortTaken`."""
    address = _address(host)
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
    has it; port 0 takes a free one. Raises `BadHost`, `PortTaken`."""
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
    host, port, *_ = bound.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def url_of(bound: socket.socket, *, tls: bool = False) -> str:
    return f"{'https' if tls else 'http'}://{host_and_port(bound)}"


def _address(host: str) -> str:
    """Names are not looked up: what they mean may change, and with it who can reach the service."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(address)
    except ValueError as error:
        raise BadHost(host=host) from error
    return address
