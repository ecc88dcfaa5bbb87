"""Where a bucket's service is, as errors say it."""

from __future__ import annotations

import pytest

from noria.adapters.bucket_environment import ENDPOINTS, endpoint


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", ""),
        ("https://store.example", "store.example"),
        ("http://ada:s3cret@store.example:9000/path?key=s3cret", "store.example:9000"),
    ],
)
def test_host_and_port_and_no_credential(given: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", given)
    assert endpoint() == told
