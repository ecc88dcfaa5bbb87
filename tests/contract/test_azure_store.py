"""The bucket store keeps the port's promises on Azure's blob storage, as its emulator Azurite has it.

Where `azurite-blob` is on the PATH (`npm install -g azurite`); elsewhere these tests are skipped.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from contract.test_bucket_store import s3_slots, s3_store
from noria.testing import object_store, slots, sweepable
from servers_s3 import environment

SERVER = shutil.which("azurite-blob")
ACCOUNT, CONTAINER = "devstoreaccount1", "noria"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has, published with it."""
VERSION = "2021-08-06"  # of the protocol

pytestmark = pytest.mark.skipif(SERVER is None, reason="no azurite-blob here: npm install -g azurite")


@dataclass(frozen=True)
class Azure:
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self) -> str:
        """A place that no other test has."""
        return f"az://{CONTAINER}/{uuid.uuid4().hex}"

    def variables(self) -> dict[str, str]:
        """The environment in which a client finds it."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": self.endpoint,
        }


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azure]:
    folder = tmp_path_factory.mktemp("azurite")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Azure(free.getsockname()[1])
    options = ["--skipApiVersionCheck", "--disableTelemetry", "--location", str(folder)]
    with subprocess.Popen(
        [str(SERVER), *options, "--blobPort", str(server.port)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            next(line for line in process.stdout if "successfully listens" in line)
            _make_container(server)
            yield server
        finally:
            process.terminate()


def _make_container(server: Azure) -> None:
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    signed = f"PUT{12 * chr(10)}x-ms-date:{date}\nx-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
    mac = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(
        f"{server.endpoint}/{ACCOUNT}/{CONTAINER}?restype=container",
        method="PUT",
        headers={
            "x-ms-date": date,
            "x-ms-version": VERSION,
            "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(mac).decode()}",
        },
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """What a test adds to the environment goes with it."""
    with environment({}):
        yield


class TestStoreOnAzure(object_store.ObjectStoreContract):
    @pytest.fixture
    def opener(self, azure: Azure, tmp_path: Path) -> object_store.Opener:
        return partial(s3_store, azure.url(), azure.variables(), tmp_path)


class TestSweepsOnAzure(sweepable.SweepableContract):
    @pytest.fixture
    def keeping(self, azure: Azure, tmp_path: Path) -> sweepable.Keeping:
        return partial(s3_store, azure.url(), azure.variables(), tmp_path)


class TestSlotsOnAzure(slots.SlotsContract):
    @pytest.fixture
    def opener(self, azure: Azure) -> slots.Opener:
        return partial(s3_slots, azure.url(), azure.variables())
