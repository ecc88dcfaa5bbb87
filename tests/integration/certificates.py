"""Certificates for tests, made by an authority of their own."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


class Authority:
    """Signs certificates for this machine, and vouches for them to clients."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._ca = trustme.CA()
        self.root = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.root)
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.issue()

    def issue(self, *, days: float = 90) -> None:
        """Put another certificate, and its key, in the place of those before, as what renews them does."""
        made = self._ca.issue_cert(
            "127.0.0.1", "localhost", not_after=datetime.now(UTC) + timedelta(days=days)
        )
        for path, part in (
            (self.key, made.private_key_pem.bytes()),
            (self.certificate, b"".join(one.bytes() for one in made.cert_chain_pems)),
        ):
            beside = path.with_suffix(".new")
            beside.write_bytes(part)
            beside.replace(path)

    def client(self) -> tuple[Path, Path]:
        """A caller's own certificate, with its key."""
        made, path = self._ca.issue_cert("caller@example.org"), self.folder / "caller.pem"
        made.private_key_and_cert_chain_pem.write_to_path(path)
        return path, path

    def trusting(self, caller: Path | None = None) -> ssl.SSLContext:
        """A client's context."""
        context = ssl.create_default_context(cafile=str(self.root))
        if caller is not None:
            context.load_cert_chain(str(caller))
        return context

    @property
    def options(self) -> tuple[str, ...]:
        return "--tls-cert", str(self.certificate), "--tls-key", str(self.key)
