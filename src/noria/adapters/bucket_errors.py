"""What a bucket's service says, as errors: never an address with a query or a key in it, for these go into logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import BackendError, ConfigError, NoriaError, Unavailable

STATUS = re.compile(r"status code: (\d{3})")
PART = re.compile(r"<(Code|Message)>([^<]{1,300})</\1>")
METADATA = re.compile(r"169\.254\.16\d\.|metadata\.google|metadata/identity|metadata/instance")
UNSIGNED = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "AuthenticationFailed",
}
"""Codes of a 400 or 403 that say who we are not, rather than what we may not."""
GONE = {"NoSuchBucket", "ContainerNotFound"}
PASSING = {408, 409, 425, 429}  # beside every 5xx; 409: two conditional writes of one key at once
REASONS = (  # what the client's own words hold, the innermost first
    (r"ConnectionRefused|Connection refused", "the connection was refused"),
    (r"dns error|failed to lookup|Name or service", "its name is not known"),
    (r"CertificateRequired|UnknownIssuer|certificate", "its certificate is not trusted"),
    (r"timed ?out|TimedOut", "it took too long"),
    (r"ConnectionReset|BrokenPipe|IncompleteMessage|closed before|decoding response", "the connection broke"),
)


@dataclass(eq=False)
class BucketUnavailable(Unavailable):
    """It may answer later; it was tried for a while."""

    code: ClassVar[str] = "OBJECTS-UNAVAILABLE"
    what: ClassVar[str] = "{bucket}{where} does not answer ({op}): {why}"
    next: ClassVar[str] = (
        "is the endpoint right, and up? what was stored so far is safe: run the same command again"
    )
    bucket: str
    op: str
    why: str
    at: str = ""
    """Host and port, where these do not follow from the bucket's address."""

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "where": _where(self.at)}


@dataclass(eq=False)
class BucketMissing(BackendError):
    code: ClassVar[str] = "BUCKET-MISSING"
    what: ClassVar[str] = "there is no bucket for {bucket}"
    next: ClassVar[str] = (
        "create it, or correct its name: `objects` under [store] in noria.toml, or in the step that reads it"
    )
    bucket: str


@dataclass(eq=False)
class NoCredentials(BackendError):
    code: ClassVar[str] = "OBJECTS-NO-CREDENTIALS"
    what: ClassVar[str] = "no credentials were found for {bucket}"
    next: ClassVar[str] = "{hint}"
    bucket: str
    hint: str


@dataclass(eq=False)
class CredentialsRefused(BackendError):
    code: ClassVar[str] = "OBJECTS-CREDENTIALS"
    what: ClassVar[str] = "{bucket} refuses the credentials: {why}"
    next: ClassVar[str] = "{hint}"
    bucket: str
    why: str
    hint: str


@dataclass(eq=False)
class AccessRefused(BackendError):
    code: ClassVar[str] = "OBJECTS-ACCESS"
    what: ClassVar[str] = "{bucket} does not allow these credentials to {op}: {why}"
    next: ClassVar[str] = (
        "are they the right ones? they must be allowed to list the bucket and to read its objects, and where Noria keeps "
        "its own, to write and delete, too"
    )
    bucket: str
    op: str
    why: str


@dataclass(eq=False)
class BucketRefused(BackendError):
    code: ClassVar[str] = "OBJECTS-REFUSED"
    what: ClassVar[str] = "{bucket}{where} refuses to {op}: {why}"
    next: ClassVar[str] = (
        "is that the address of a storage service? Then look the answer up in its own documentation"
    )
    bucket: str
    op: str
    why: str
    at: str = ""

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "where": _where(self.at)}


@dataclass(eq=False)
class NoObjectClient(ConfigError):
    code: ClassVar[str] = "OBJECTS-EXTRA"
    what: ClassVar[str] = "{url} needs the package obstore, which is not installed"
    next: ClassVar[str] = "pip install 'noria[s3]'"
    url: str


@dataclass(eq=False)
class BadObjectsUrl(ConfigError):
    code: ClassVar[str] = "OBJECTS-URL"
    what: ClassVar[str] = "{url} names no place for objects: {why}"
    next: ClassVar[str] = (
        "write s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or file:///folder"
    )
    url: str
    why: str


HINTS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_ENDPOINT_URL, where it is not AWS itself)",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the path of a service account's key",
    "az": "set AZURE_STORAGE_ACCOUNT_KEY, or AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_TENANT_ID",
}


def fault_of(error: Exception, bucket: str, op: str, *, at: str = "") -> NoriaError:
    """A client's exception as the error that says who must act; `Unavailable` when it may pass. `at`: the host that was
    asked, where the bucket's address does not say it."""
    text = str(error)
    scheme = bucket.partition("://")[0]
    said = dict(PART.findall(text))
    status = int(found[1]) if (found := STATUS.search(text)) else None
    why = _words(status, said, text)
    if METADATA.search(text):
        return NoCredentials(bucket=bucket, hint=HINTS.get(scheme, HINTS["s3"]))
    if said.get("Code") in GONE:
        return BucketMissing(bucket=bucket)
    if status == 401 or said.get("Code") in UNSIGNED or "Unauthenticated" in type(error).__name__:
        return CredentialsRefused(bucket=bucket, why=why, hint=HINTS.get(scheme, HINTS["s3"]))
    if status == 403:
        return AccessRefused(bucket=bucket, op=op, why=why)
    if status is None and "BadScheme" in text:
        return BadObjectsUrl(
            url=bucket, why="its endpoint is plain http; set AWS_ALLOW_HTTP=true where that is meant"
        )
    if status == 301:  # S3, when it is asked in another region than the bucket's
        why = f"{why}; set AWS_REGION to the region of the bucket"
    if status is None or status >= 500 or status in PASSING:
        return BucketUnavailable(bucket=bucket, op=op, why=why, at=at)
    return BucketRefused(bucket=bucket, op=op, why=why, at=at)


def _where(at: str) -> str:
    return f" at {at}" if at else ""


def _words(status: int | None, said: dict[str, str], text: str) -> str:
    """The service's own code and sentence, else what the client met."""
    if said:
        return ": ".join(said[part] for part in ("Code", "Message") if part in said)
    if status is not None:
        return f"status {status}"
    return next(
        (words for pattern, words in REASONS if re.search(pattern, text)), "the request could not be sent"
    )
