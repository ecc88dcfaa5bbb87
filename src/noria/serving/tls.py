"""Certificates: read, checked, and read again when others lie in their place; new handshakes then use these."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from noria.errors import ConfigError
from noria.records.policy import TlsPolicy
from noria.serving.log import Narrator

RENEWAL = 1.0  # s between two looks at whether another certificate lies there: two calls of stat
SOON = timedelta(
    days=14
)  # before its end a certificate is warned of; what renews by itself does so a month before

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(eq=False)
class BadCertificate(ConfigError):
    code: ClassVar[str] = "SERVE-TLS"
    what: ClassVar[str] = "the service cannot speak TLS: {problem}"
    next: ClassVar[str] = "look at tls in noria.toml's [service], or at --tls-cert and --tls-key"
    problem: str


class Certificates:
    """What a process shows to those who connect. For its event loop; gRPC's threads ask for `grpc` alone."""

    def __init__(self, policy: TlsPolicy) -> None:
        """Raises `BadCertificate`."""
        self._policy = policy
        self._stamp = self._look()
        self._current = _context(policy)
        self._pair = _pair(policy)
        self.context = _context(policy)
        """For servers; each handshake gets the certificate of that moment."""
        self.context.sni_callback = self._show

    @property
    def end(self) -> datetime:
        """Until when the certificate is good."""
        return validity(self._pair[1])[1]

    def renewed(self) -> bool:
        """Whether other files lie there, which are used from now on. Raises `BadCertificate`, once, where these are of no
        use; those of before then go on."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._current, self._pair = _context(self._policy), _pair(self._policy)
        return True

    def grpc(self) -> Any:
        """The same for gRPC's server."""
        import grpc

        roots = Path(self._policy.client_ca).read_bytes() if self._policy.client_ca else None
        shown = self._pair

        def configuration() -> Any:
            return grpc.ssl_server_certificate_configuration([self._pair], root_certificates=roots)

        def fetch() -> Any:
            nonlocal shown
            if shown is self._pair:
                return None
            shown = self._pair
            return configuration()

        return grpc.dynamic_ssl_server_credentials(configuration(), fetch, roots is not None)

    def warning(self, now: datetime) -> str:
        """What whoever runs the service should hear about its certificate; empty for nothing."""
        begin, end = validity(self._pair[1])
        if end <= now:
            return f"the certificate has expired at {end:%Y-%m-%dT%H:%MZ}: callers will refuse it"
        if begin > now:
            return (
                f"the certificate is good from {begin:%Y-%m-%dT%H:%MZ} on: callers will refuse it until then"
            )
        return f"the certificate expires at {end:%Y-%m-%dT%H:%MZ}" if end - now < SOON else ""

    def _show(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _look(self) -> Stamp:
        paths = (self._policy.certificate, self._policy.key)
        try:
            found = [Path(path).stat() for path in paths]
        except OSError as error:
            raise BadCertificate(f"{error.filename}: {error.strerror}") from error
        return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)


async def renew(certificates: Certificates, narrate: Narrator) -> None:
    """Use another certificate as soon as it lies there, until cancelled; what is of no use is told once."""
    told = ""
    while True:
        await asyncio.sleep(RENEWAL)
        try:
            if certificates.renewed():
                told = ""
                narrate("tls.renewed", until=certificates.end)
        except BadCertificate as error:
            if str(error) != told:
                narrate("tls.refused", why=str(error))
            told = str(error)


def _context(policy: TlsPolicy) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # a client could let us work for nothing
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(policy.certificate, policy.key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise BadCertificate(_reason(error, f"{policy.certificate} and {policy.key}")) from error
    if policy.client_ca is not None:
        try:
            context.load_verify_locations(policy.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise BadCertificate(_reason(error, policy.client_ca)) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _no_password() -> str:
    raise BadCertificate("the key is encrypted, and a service that starts by itself has nobody to ask")


def _reason(error: OSError, files: str) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{files} do not belong together"
        return f"{files}: this is no PEM of that kind ({error.reason or error})"
    return f"{files}: {error.strerror or error}"


def _pair(policy: TlsPolicy) -> tuple[bytes, bytes]:
    """Key and certificate as they lie there, and can be read."""
    try:
        key, certificate = Path(policy.key).read_bytes(), Path(policy.certificate).read_bytes()
    except OSError as error:
        raise BadCertificate(f"{error.filename}: {error.strerror}") from error
    validity(certificate)
    return key, certificate


def validity(pem: bytes) -> tuple[datetime, datetime]:
    """From when to when the first certificate of a file is good. Raises `BadCertificate`.

    The standard library reads no certificate but that of a peer, so the few bytes on the way there are walked by hand:
    Certificate, TBSCertificate, [version], serial number, algorithm, issuer, validity (RFC 5280, 4.1).
    """
    try:
        text = pem.decode("latin-1")
        start = text.index("-----BEGIN CERTIFICATE-----")
        end = text.index("-----END CERTIFICATE-----", start)
        der = ssl.PEM_cert_to_DER_cert(text[start:end] + "-----END CERTIFICATE-----")
        certificate = next(_elements(der))[1]
        fields = [value for tag, value in _elements(next(_elements(certificate))[1]) if tag != 0xA0]
        first, last = (_time(tag, value) for tag, value in _elements(fields[3]))
    except (ValueError, IndexError, StopIteration) as error:
        raise BadCertificate("the dates of the certificate cannot be read") from error
    return first, last


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(der):
        tag, size = der[at], der[at + 1]
        at += 2
        if size & 0x80:
            more = size & 0x7F
            size = int.from_bytes(der[at : at + more])
            at += more
        yield tag, der[at : at + size]
        at += size


def _time(tag: int, value: bytes) -> datetime:
    """UTCTime has two digits of the year, of 1950 to 2049; GeneralizedTime has four."""
    text = value.decode("ascii")
    if tag == 0x17:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
