"""The bucket store keeps the port's promises, on a real S3 server and on obstore's own store in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from noria.adapters.bucket import Bucket, open_bucket
from noria.adapters.bucket_cache import Cache
from noria.adapters.bucket_slots import BucketSlots
from noria.adapters.bucket_store import BucketStore
from noria.ports.objects import KEPT
from noria.testing import object_store, slots, sweepable
from servers_s3 import S3Server, environment


def s3_bucket(url: str, variables: dict[str, str]) -> Bucket:
    os.environ.update(variables)  # in a spawned process, too
    return open_bucket(url, patience=20)


def s3_store(url: str, variables: dict[str, str], cache: Path, kept: float = KEPT) -> BucketStore:
    return BucketStore(s3_bucket(url, variables), Cache(cache / str(os.getpid())), kept=kept)


def s3_slots(url: str, variables: dict[str, str]) -> BucketSlots:
    return BucketSlots(s3_bucket(url, variables))


def local_bucket(folder: Path) -> Bucket:
    from obstore.store import LocalStore

    return Bucket(LocalStore(folder, mkdir=True), f"file://{folder}")


def local_store(folder: Path, cache: Path, kept: float = KEPT) -> BucketStore:
    return BucketStore(local_bucket(folder), Cache(cache), kept=kept)


def local_slots(folder: Path) -> BucketSlots:
    return BucketSlots(local_bucket(folder))


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """What a test adds to the environment goes with it."""
    with environment({}):
        yield


class TestStoreOnS3(object_store.ObjectStoreContract):
    @pytest.fixture
    def opener(self, s3: S3Server, tmp_path: Path) -> object_store.Opener:
        return partial(s3_store, s3.url(), s3.variables(), tmp_path)


class TestSweepsOnS3(sweepable.SweepableContract):
    @pytest.fixture
    def keeping(self, s3: S3Server, tmp_path: Path) -> sweepable.Keeping:
        return partial(s3_store, s3.url(), s3.variables(), tmp_path)


class TestSlotsOnS3(slots.SlotsContract):
    @pytest.fixture
    def opener(self, s3: S3Server) -> slots.Opener:
        return partial(s3_slots, s3.url(), s3.variables())


class TestStoreOnLocalStore(object_store.ObjectStoreContract):
    """The same code with another client: what holds for it does not lean on S3's ways."""

    @pytest.fixture
    def opener(self, tmp_path: Path) -> object_store.Opener:
        return partial(local_store, tmp_path / "bucket", tmp_path / "cache")


class TestSweepsOnLocalStore(sweepable.SweepableContract):
    @pytest.fixture
    def keeping(self, tmp_path: Path) -> sweepable.Keeping:
        return partial(local_store, tmp_path / "bucket", tmp_path / "cache")


class TestSlotsOnLocalStore(slots.SlotsContract):
    @pytest.fixture
    def opener(self, tmp_path: Path) -> slots.Opener:
        return partial(local_slots, tmp_path / "bucket")
