"""A service over TLS: certificates that are renewed, swaps under load, and what does not fit."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from integration.certificates import Authority
from integration.serving_world import ROW, Running, World, service, until
from integration.test_serving import PREDICT
from noria.serving.grpc_words import SERVICE, messages


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world") / "state")
    made.register(1)
    made.register(2, bias=1000.0)
    made.promote(1)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def running(world: World, authority: Authority) -> Iterator[Running]:
    with service(world, "--no-spare", "--grpc-port", "0", *authority.options) as it:
        yield it


def address(running: Running) -> tuple[str, int]:
    host, _, port = running.url.rpartition("//")[2].partition(":")
    return host, int(port)


def client(running: Running, context: ssl.SSLContext) -> httpx.Client:
    forever = httpx.Limits(
        keepalive_expiry=None
    )  # else it lets an idle connection go after 5 s, before a slow swap
    return httpx.Client(base_url=running.url, verify=context, timeout=20, limits=forever)


def shown(running: Running, context: ssl.SSLContext) -> bytes:
    """The certificate that a new connection is shown."""
    with (
        socket.create_connection(address(running), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def live(running: Running, **roots: Any) -> bool:
    with grpc.secure_channel(running.ready["grpc"], grpc.ssl_channel_credentials(**roots)) as channel:
        method = channel.unary_unary(
            f"/{SERVICE}/ServerLive",
            request_serializer=messages()["ServerLiveRequest"].SerializeToString,
            response_deserializer=messages()["ServerLiveResponse"].FromString,
        )
        return bool(method(messages()["ServerLiveRequest"](), timeout=20).live)


def test_rows_are_answered(running: Running, authority: Authority) -> None:
    assert running.url.startswith("https://")
    with client(running, authority.trusting()) as asking:
        for _ in range(3):  # one connection is kept for all of them
            assert asking.post(PREDICT, json=ROW).status_code == 200


def test_calls_are_answered(running: Running, authority: Authority) -> None:
    assert live(running, root_certificates=authority.root.read_bytes())


def test_a_client_that_does_not_know_the_authority_refuses_it(running: Running) -> None:
    with client(running, ssl.create_default_context()) as asking, pytest.raises(httpx.ConnectError):
        asking.get("/v2/health/live")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    "limit", [{"maximum_version": ssl.TLSVersion.TLSv1_1}, {"minimum_version": ssl.TLSVersion.TLSv1_2}]
)
def test_nothing_older_than_tls_1_2(running: Running, authority: Authority, limit: dict[str, Any]) -> None:
    context = authority.trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")  # so that it is the service which refuses
    if "maximum_version" in limit:
        context.minimum_version = ssl.TLSVersion.TLSv1
    for name, version in limit.items():
        setattr(context, name, version)
    if "maximum_version" in limit:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shown(running, context)
    else:
        assert shown(running, context)


@pytest.mark.parametrize(
    "said",
    [
        b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x00" * 4096,
        b"\x16\x03\x01\xff\xff" + b"x" * 100,
    ],
)
def test_who_does_not_speak_tls_is_shut_out_and_harms_nobody(
    running: Running, authority: Authority, said: bytes
) -> None:
    with socket.create_connection(address(running), timeout=20) as raw:
        raw.sendall(said)
        answer = b""
        try:
            raw.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: raw.recv(4096), b""))
        except ConnectionError:
            pass  # reset: shut out too
    assert b"HTTP" not in answer and b"live" not in answer
    with client(running, authority.trusting()) as asking:
        assert asking.get("/v2/health/live").status_code == 200
    told = [each["event"] for each in running.events()]
    assert "worker.lost" not in told and "Traceback" not in running.log.read_text()


def test_a_renewed_certificate_is_shown_without_a_restart(running: Running, authority: Authority) -> None:
    context, roots = authority.trusting(), {"root_certificates": authority.root.read_bytes()}
    before = shown(running, context)
    with client(running, context) as kept:
        assert kept.get("/v2/health/live").status_code == 200
        authority.issue()
        until(lambda: shown(running, context) != before, 20, "the new certificate")
        assert kept.get("/v2/health/live").status_code == 200, "an open connection goes on"
    new = ssl.DER_cert_to_PEM_cert(shown(running, context)).encode()
    assert new.split(b"-----")[2] == authority.certificate.read_bytes().split(b"-----")[2]
    assert live(running, **roots)
    assert ssl.get_server_certificate(tuple(running.ready["grpc"].rsplit(":", 1))).encode() == new  # type: ignore[arg-type]


def test_a_renewal_that_does_not_fit_leaves_the_one_before(running: Running, authority: Authority) -> None:
    context, good = authority.trusting(), authority.key.read_bytes()
    before = shown(running, context)
    authority.key.write_bytes(b"no key")
    until(
        lambda: any(each["event"] == "tls.refused" for each in running.events()), 20, "the refusal to be told"
    )
    assert shown(running, context) == before
    authority.key.write_bytes(good)


class Secured:
    """Callers over TLS who keep their connections for as long as the service does; in a thread of their own."""

    def __init__(self, running: Running, context: ssl.SSLContext, connections: int = 16) -> None:
        self._address, self._context, self._connections = address(running), context, connections
        self.answers: Counter[int] = Counter()
        self.opened = 0
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Secured:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        await asyncio.gather(*(self._caller() for _ in range(self._connections)))

    async def _caller(self) -> None:
        while not self._over.is_set():
            try:
                reader, writer = await asyncio.open_connection(*self._address, ssl=self._context)
                self.opened += 1
                while not self._over.is_set() and await self._ask(reader, writer):
                    pass
                writer.close()
            except Exception as error:  # whatever it is, it is what a caller would have seen
                self.failures.append(repr(error))

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection may be used again."""
        body = json.dumps(ROW).encode()
        head = f"POST {PREDICT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        writer.write(head.encode() + b"\r\n\r\n" + body)
        said = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(said.partition(b"content-length: ")[2].split(b"\r\n")[0])
        answer = json.loads(await reader.readexactly(length))
        if not said.startswith(b"http/1.1 200"):
            self.failures.append(repr(answer))
        else:
            self.answers[answer["version"]] += 1
        return b"connection: close" not in said


def more(callers: Secured, version: int) -> Callable[[], bool]:
    known = callers.answers[version]
    return lambda: callers.answers[version] > known + 50


def test_swaps_under_load_fail_no_request(world: World, running: Running, authority: Authority) -> None:
    with Secured(running, authority.trusting()) as callers:
        until(more(callers, 1), 30, "answers")
        opened = callers.opened
        for version in (2, 1, 2):
            world.promote(version)
            until(more(callers, version), 60, f"answers of {version}")
        assert callers.opened > opened, "they had to connect again"
    assert callers.failures == []
    world.promote(1)


def test_an_idle_connection_is_answered_once_more_after_a_swap(world: World, authority: Authority) -> None:
    world.promote(1)
    with (
        service(world, "--no-spare", *authority.options) as running,
        client(running, authority.trusting()) as idle,
        client(running, authority.trusting()) as other,
    ):
        assert idle.get("/v2/health/live").status_code == 200
        world.promote(2)
        until(lambda: _new(other) == 2, 60, "the new version")
        # the old worker may not have heard yet that it leaves
        until(lambda: _last(idle), 30, "the old worker's last answer")
        assert _new(idle) == 2


def test_who_is_still_agreeing_on_tls_at_a_swap_is_answered(world: World, authority: Authority) -> None:
    """Connected before the swap, and silent until after it: whoever accepted them still answers."""
    early: deque[socket.socket] = deque(maxlen=20)  # the last ones: within what a handshake may take
    context = authority.trusting()
    world.promote(1)
    with service(world, "--no-spare", *authority.options) as running:
        world.promote(2)
        until(lambda: _connected(running, early) and "swap.done" in _told(running), 60, "the new version")
        with client(running, context) as other:
            until(lambda: _new(other) == 2, 30, "its answers")
        for raw in early:
            with context.wrap_socket(raw, server_hostname="127.0.0.1") as secured:
                secured.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n")
                assert secured.recv(4096).startswith(b"HTTP/1.1 200 OK")


def _connected(running: Running, early: deque[socket.socket]) -> bool:
    if len(early) == early.maxlen:
        early[0].close()
    early.append(socket.create_connection(address(running), timeout=20))
    return True


def _told(running: Running) -> list[str]:
    return [each["event"] for each in running.events()]


def _last(asking: httpx.Client) -> bool:
    """Whether an answer, which is good in any case, says that it is its connection's last."""
    answer = asking.post(PREDICT, json=ROW)
    assert answer.status_code == 200
    return answer.headers.get("connection") == "close"


def _new(asking: httpx.Client) -> int:
    answer = asking.post(PREDICT, json=ROW)
    assert answer.status_code == 200
    return int(answer.json()["version"])


def test_callers_who_must_show_a_certificate(world: World, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "own"), Authority(tmp_path / "other")
    options = (*authority.options, "--tls-client-ca", str(authority.root), "--grpc-port", "0")
    caller, _ = authority.client()
    with service(world, "--no-spare", *options) as running:
        with client(running, authority.trusting(caller)) as asking:
            assert asking.get("/v2/health/live").status_code == 200
        for wrong in (None, other.client()[0]):
            with client(running, authority.trusting(wrong)) as asking, pytest.raises(httpx.TransportError):
                asking.get("/v2/health/live")
        root, pem = authority.root.read_bytes(), caller.read_bytes()
        assert live(running, root_certificates=root, private_key=pem, certificate_chain=pem)
        with pytest.raises(grpc.RpcError):
            live(running, root_certificates=root)


def _begun(world: World, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "noria.serving", "--state", str(world.state), "--model", "rides"]
    return subprocess.run([*command, "--port", "0", *options], capture_output=True, text=True, timeout=60)


def test_files_that_do_not_fit_keep_the_service_from_beginning(world: World, tmp_path: Path) -> None:
    one, other = Authority(tmp_path / "one"), Authority(tmp_path / "other")
    secret = tmp_path / "encrypted.pem"
    command = ["openssl", "rsa", "-in", str(one.key), "-aes256", "-passout", "pass:x", "-out", str(secret)]
    made = subprocess.run(command, capture_output=True)
    if made.returncode:
        command[1] = "ec"
        subprocess.run(command, capture_output=True, check=True)
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("nothing")
    for certificate, key, told in (
        (tmp_path / "missing.pem", one.key, "No such file"),
        (one.certificate, tmp_path, "directory"),
        (one.certificate, other.key, "do not belong together"),
        (nonsense, one.key, "no PEM"),
        (one.certificate, nonsense, "no PEM"),
        (one.certificate, secret, "encrypted"),
    ):
        ended = _begun(world, "--tls-cert", str(certificate), "--tls-key", str(key))
        assert ended.returncode == 2 and ended.stdout == ""
        assert "error[SERVE-TLS]" in ended.stderr and told in ended.stderr, ended.stderr
        assert "Traceback" not in ended.stderr


def test_an_expired_certificate_is_warned_of(world: World, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "old")
    authority.issue(days=-1)
    with service(world, "--no-spare", *authority.options) as running:
        (told,) = [each["why"] for each in running.events() if each["event"] == "tls.warning"]
        assert "has expired" in told
