"""What the environment says of a bucket's service: where it is, and with which keys."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from noria.adapters.bucket_errors import NoCredentials

ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # the first that is set


def plain(url: str) -> str:
    """Without what looks like credentials, and without a slash at its end."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0].rstrip('/')}"


def plain_http() -> dict[str, bool]:
    """Whoever writes http:// into the environment means it."""
    given = (os.environ.get(name, "") for name in ENDPOINTS)
    return {"allow_http": True} if any(url.startswith("http://") for url in given) else {}


def endpoint() -> str:
    """Host and port where S3 is asked, when it is not Amazon's own; nothing else of that address."""
    given = next(filter(None, (os.environ.get(name, "") for name in ENDPOINTS)), "")
    return given.partition("://")[2].partition("/")[0].rpartition("@")[2]


def keys_of_file(given: Mapping[str, str], bucket: str) -> dict[str, str]:
    """Keys that stand in the file of AWS's own tools, where the environment has none."""
    if any(
        name in given for name in ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SKIP_SIGNATURE")
    ):
        return {}
    path = Path(given.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials").expanduser()
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise NoCredentials(bucket=bucket, hint=f"{path} is no file of credentials: correct it") from error
    profile = given.get("AWS_PROFILE", "default")
    if not found.has_option(profile, "aws_secret_access_key"):
        return {}
    names = {"access_key_id": "aws_access_key_id", "secret_access_key": "aws_secret_access_key"}
    names["session_token"] = "aws_session_token"
    return {ours: found[profile][theirs] for ours, theirs in names.items() if theirs in found[profile]}
