"""A bucket store on a real S3 server, when things go wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from noria.adapters import bucket, bucket_sweep, patience
from noria.adapters.bucket import Bucket, open_bucket
from noria.adapters.bucket_cache import Cache
from noria.adapters.bucket_errors import (
    AccessRefused,
    BadObjectsUrl,
    BucketMissing,
    BucketUnavailable,
    CredentialsRefused,
    NoCredentials,
)
from noria.adapters.bucket_slots import BucketSlots
from noria.adapters.bucket_store import BucketStore
from noria.adapters.bucket_sweep import Sweep
from noria.adapters.object_errors import ObjectCorrupt, ObjectMissing
from noria.adapters.objects import open_objects
from noria.errors import BackendError, NoriaError, Unavailable, render
from noria.ports.leases import Busy
from noria.ports.objects import KEPT
from noria.records.base import Digest, digest_bytes
from noria.testing.sweepable import FUTURE, rely
from servers_s3 import BUCKET, S3Server, environment, own_server

MB = 1 << 20
WAITING = 60.0  # s


@pytest.fixture(autouse=True)
def _own_environment(s3: S3Server) -> Iterator[None]:
    with environment(s3.variables()):
        yield


@pytest.fixture
def url(s3: S3Server) -> str:
    return s3.url()


@pytest.fixture
def opening(url: str, tmp_path: Path) -> Callable[..., BucketStore]:
    """The same store again, each time with a cache of its own: as another machine."""
    numbers = iter(range(1000))

    def opening(*, kept: float = KEPT, patience: float = 20.0) -> BucketStore:
        cache = Cache(tmp_path / f"cache-{next(numbers)}")
        return BucketStore(open_bucket(url, patience=patience), cache, kept=kept)

    return opening


@pytest.fixture
def store(opening: Callable[..., BucketStore]) -> BucketStore:
    return opening()


@pytest.fixture
def raw(url: str) -> Any:
    """The bucket as a careless hand reaches it."""
    from obstore.store import from_url

    return from_url(url, client_options={"allow_http": True})


def place(digest: Digest) -> str:
    return f"objects/{digest[7:9]}/{digest[9:]}"


def test_an_object_is_written_once(store: BucketStore, opening: Callable[..., BucketStore], raw: Any) -> None:
    digest = store.put(b"once")
    tag = raw.head(place(digest))["last_modified"], raw.head(place(digest))["e_tag"]
    for other in (store, opening()):
        assert other.put(b"once") == digest
        with other.writer() as sink:
            sink.write(b"once")
    assert (raw.head(place(digest))["last_modified"], raw.head(place(digest))["e_tag"]) == tag
    names = [one["path"] for page in raw.list() for one in page]
    assert names == [place(digest)], "no temporary name, no mark"


def test_an_object_that_was_deleted_is_named_with_its_bucket(
    opening: Callable[..., BucketStore], url: str, raw: Any
) -> None:
    digest = opening().put(b"deleted")
    raw.delete(place(digest))
    for read in (opening().get, opening().path):
        with pytest.raises(ObjectMissing) as caught:
            read(digest)
        assert digest in render(caught.value) and url in render(caught.value)
    assert not opening().has(digest)
    assert opening().put(b"deleted") == digest
    assert opening().get(digest) == b"deleted"


@pytest.mark.parametrize("read", ["get", "path"])
@pytest.mark.parametrize("altered", [b"altered!", b"short", b""])
def test_an_altered_object_is_found_moved_aside_and_can_be_made_again(
    opening: Callable[..., BucketStore], raw: Any, read: str, altered: bytes
) -> None:
    digest = opening().put(b"precious")
    raw.put(place(digest), altered)
    with pytest.raises(ObjectCorrupt) as caught:
        getattr(opening(), read)(digest)
    assert digest in render(caught.value) and "corrupt/" in render(caught.value)
    assert not opening().has(digest)
    kept = [one["path"] for page in raw.list("corrupt") for one in page]
    assert [raw.get(path).bytes() for path in kept] == [altered]
    assert opening().put(b"precious") == digest
    assert opening().get(digest) == b"precious"


def test_a_truncated_object_is_replaced_when_it_is_put_again(
    opening: Callable[..., BucketStore], raw: Any
) -> None:
    digest = opening().put(b"whole and sound")
    raw.put(place(digest), b"whole")
    opening().put(b"whole and sound")
    assert opening().get(digest) == b"whole and sound"


MUCH = """
import os, resource, sys
from pathlib import Path
from noria.adapters.objects import open_objects
store, _ = open_objects(sys.argv[1], Path(sys.argv[2]))
store.put(b"warm")
block = os.urandom(1 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with store.writer() as sink:
    for number in range(300):
        sink.write(number.to_bytes(4, "big") + block)
other, _ = open_objects(sys.argv[1], Path(sys.argv[2]) / "other")
assert other.path(sink.digest).stat().st_size == sink.size == 300 * (4 + (1 << 20))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, sink.digest)
"""


def run(script: str, *words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_large_stream_goes_up_and_comes_down_in_little_memory(url: str, tmp_path: Path) -> None:
    grown, _ = run(MUCH, url, tmp_path).split()
    assert int(grown) < 120_000, "kB, for 300 MB"  # parts under way in both directions


PUT_LARGE = """
import os, sys
from pathlib import Path
from noria.adapters.objects import open_objects
store, _ = open_objects(sys.argv[1], Path(sys.argv[2]))
with store.writer() as sink:
    for number in range(200):
        sink.write(number.to_bytes(4, "big") * (1 << 18))
    print(sink.so_far(), flush=True)
print("stored", flush=True)
"""


def test_a_killed_put_leaves_nothing_to_see_and_is_simply_made_again(
    opening: Callable[..., BucketStore], url: str, tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PUT_LARGE, url, tmp_path / "killed"], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    digest = Digest(child.stdout.readline().strip())
    child.send_signal(signal.SIGKILL)  # its bytes are all in its cache; some parts may be on their way
    child.wait()
    if child.stdout.read():
        pytest.skip("the machine was too fast: the put had ended before the kill")
    assert not opening().has(digest)
    with pytest.raises(ObjectMissing):
        opening().get(digest)
    said = run(PUT_LARGE, url, tmp_path / "killed").split()
    assert said == [digest, "stored"]
    assert opening().path(digest).stat().st_size == 200 * MB


class TestErrors:
    """Each names the bucket and who must act, and no credential."""

    def fault(
        self, url: str, kind: type[NoriaError], call: Callable[[Bucket], object], **changed: str
    ) -> str:
        with environment(changed), pytest.raises(kind) as caught:
            call(open_bucket(url, patience=1.0))
        text = render(caught.value)
        assert url in text
        for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"):
            assert changed.get(name, os.environ[name]) not in text
        assert "http://" not in text
        return text

    def test_wrong_secret(self, url: str) -> None:
        for call in (
            lambda bucket: bucket.create("a", b"1"),
            lambda bucket: bucket.get("a"),
            lambda bucket: list(bucket.list("a/")),
        ):
            text = self.fault(url, CredentialsRefused, call, AWS_SECRET_ACCESS_KEY="not-the-secret")
            assert "AWS_SECRET_ACCESS_KEY" in text and "SignatureDoesNotMatch" in text

    def test_unknown_key(self, url: str) -> None:
        self.fault(url, CredentialsRefused, lambda bucket: bucket.get("a"), AWS_ACCESS_KEY_ID="nobody-key")

    def test_no_credentials(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without any, the client asks the machine's own metadata service, where there is one in a cloud."""
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        with pytest.raises(NoCredentials) as caught:
            open_bucket(url, patience=1.0).get("a")
        assert "AWS_ACCESS_KEY_ID" in render(caught.value)

    def test_a_key_that_may_only_read(self, url: str) -> None:
        open_bucket(url).create("a", b"1")
        reader = {"AWS_ACCESS_KEY_ID": "reader-key", "AWS_SECRET_ACCESS_KEY": "reader-secret"}
        text = self.fault(url, AccessRefused, lambda bucket: bucket.create("b", b"1"), **reader)
        assert "write" in text
        with environment(reader):
            assert open_bucket(url).get("a") is not None

    def test_no_bucket(self) -> None:
        plain = {"AWS_ACCESS_KEY_ID": "plain-key", "AWS_SECRET_ACCESS_KEY": "plain-secret"}
        for call in (lambda bucket: bucket.get("a"), lambda bucket: list(bucket.list("a/"))):
            self.fault("s3://no-such-bucket/p", BucketMissing, call, **plain)
        text = self.fault(
            "s3://no-such-bucket/p", BackendError, lambda bucket: bucket.create("a", b"1"), **plain
        )
        assert "no-such-bucket" in text

    @pytest.mark.parametrize(
        ("endpoint", "why"),
        [("http://127.0.0.1:9", "refused"), ("http://nowhere.invalid:80", "name is not known")],
    )
    def test_no_endpoint(self, url: str, endpoint: str, why: str) -> None:
        text = self.fault(url, BucketUnavailable, lambda bucket: bucket.get("a"), AWS_ENDPOINT_URL=endpoint)
        assert why in text

    @pytest.mark.parametrize(
        "given", ["s3://", "ftp://host/a", "s3:/bucket", "https://key:secret@host/b?sig=secret"]
    )
    def test_what_is_no_place(self, given: str) -> None:
        with pytest.raises(BadObjectsUrl) as caught:
            open_bucket(given)
        assert "secret" not in render(caught.value)

    def test_slots_say_the_same(self, url: str) -> None:
        self.fault(
            url,
            CredentialsRefused,
            lambda bucket: BucketSlots(bucket).get("a"),
            AWS_SECRET_ACCESS_KEY="not-the-secret",
        )


def test_keys_may_stand_in_the_file_of_the_service_s_own_tools(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    file.write_text(
        "[default]\naws_access_key_id = x\n[work]\naws_access_key_id=owner-key\naws_secret_access_key=owner-secret\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "work")
    store, _ = open_objects(url, tmp_path)
    assert store.get(store.put(b"by a file")) == b"by a file"
    file.write_text("no ini")
    with pytest.raises(NoCredentials) as caught:
        open_objects(url, tmp_path)
    assert str(file) in render(caught.value)


def test_who_may_only_read_is_told_that_an_old_object_is_there(
    url: str, tmp_path: Path, opening: Callable[..., BucketStore]
) -> None:
    digest = opening().put(b"old")
    with environment({"AWS_ACCESS_KEY_ID": "reader-key", "AWS_SECRET_ACCESS_KEY": "reader-secret"}):
        reader = opening(kept=0.0)
        assert reader.has(digest)
        assert reader.get(digest) == b"old"


class TestSweeps:
    def test_one_at_a_time(self, store: BucketStore, opening: Callable[..., BucketStore], url: str) -> None:
        digest = store.put(b"given up")
        with Sweep(open_bucket(url)), pytest.raises(Busy):
            opening().remove([digest], unused_since=FUTURE)
        assert opening().remove([digest], unused_since=FUTURE) == [digest]

    def test_one_that_died_is_followed_by_another_once_its_right_has_ended(
        self, store: BucketStore, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = store.put(b"given up")
        dead = Sweep(open_bucket(url), lease=0.0)
        dead.__enter__()
        with pytest.raises(Busy):
            store.remove([digest], unused_since=FUTURE)
        monkeypatch.setattr(bucket_sweep, "SKEW", -2.0)  # as if the lease and the skew had passed
        assert store.remove([digest], unused_since=FUTURE) == [digest]
        with pytest.raises(Busy):  # it lives after all, was only asleep: it may remove nothing more
            next(iter(dead.batches([digest])))

    @pytest.mark.parametrize("way", ["has", "put", "stream"])
    def test_who_relies_on_an_object_that_is_being_removed_waits_and_is_told_the_truth(
        self, opening: Callable[..., BucketStore], url: str, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        digest = opening().put(b"contested")
        said: list[bool] = []
        relying = opening(kept=0.0)  # to which every object is an old one
        other = threading.Thread(target=lambda: said.append(rely(relying, way, b"contested")))
        delete, looks = Bucket.delete, open_bucket(url)

        def slow(self: Bucket, keys: Any) -> None:
            keys = list(keys)
            if place(digest) in keys:
                other.start()
                until(lambda: looks.head(place(digest).replace("objects", "used")) is not None)
            delete(self, keys)

        monkeypatch.setattr(Bucket, "delete", slow)
        assert opening().remove([digest], unused_since=FUTURE) == [digest]
        other.join(WAITING)
        assert said == [way != "has"], "`has` says no; a put makes it again"
        assert opening().has(digest) is (way != "has")

    def test_a_killed_removal_harms_nothing_and_the_next_ends_it(
        self, opening: Callable[..., BucketStore], url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = opening()
        digests = sorted(store.put(b"%d" % number) for number in range(60))
        given, needed = digests[::2], digests[1::2]
        words = [sys.executable, "-c", REMOVE, url, str(tmp_path / "dying"), *given]
        died = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
        assert died.returncode == -signal.SIGKILL, died.stderr
        left = {one.digest for one in opening().stored()}
        assert set(needed) < left < set(digests)
        with pytest.raises(Busy):
            opening().remove(given, unused_since=FUTURE)
        monkeypatch.setattr(bucket_sweep, "SKEW", -1000.0)  # as if its right had ended
        assert set(opening().remove(given, unused_since=FUTURE)) == left - set(needed)
        assert all(opening().get(digest) for digest in needed)


REMOVE = """
import os, signal, sys
from pathlib import Path
from noria.adapters import bucket, bucket_sweep, patience
from noria.adapters.bucket import Bucket
from noria.adapters.objects import open_objects
bucket_sweep.BATCH = 7
delete, calls = Bucket.delete, []
def counted(self, keys):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    delete(self, keys)
Bucket.delete = counted
store, _ = open_objects(sys.argv[1], Path(sys.argv[2]))
store.remove(sys.argv[3:], unused_since=4e9)
"""


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAITING
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


PUT_MANY = """
import json, sys
from pathlib import Path
from noria.adapters.objects import open_objects
store, slots = open_objects(sys.argv[1], Path(sys.argv[2]))
for number in range(40):
    data = number.to_bytes(4, "big") * (1 << 19)
    with store.writer() as sink:
        sink.write(data * (8 if number % 10 == 0 else 1))
    slots.put("newest", sink.digest.encode())
    print(sink.digest, flush=True)
"""


@pytest.mark.slow
def test_a_server_that_goes_and_comes_back_costs_time_alone(tmp_path: Path) -> None:
    """Killed and started again while objects go up: each put that returned is there, and none failed."""
    with own_server() as server:
        s3 = server.start()
        place_ = f"s3://{BUCKET}/restarted"
        with environment(s3.variables()):
            child = subprocess.Popen(
                [sys.executable, "-c", PUT_MANY, place_, tmp_path / "child"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            assert child.stdout is not None and child.stderr is not None
            digests = [child.stdout.readline().strip() for _ in range(5)]
            server.stop()
            server.start()
            rest, errors = child.communicate(timeout=200)
            assert child.returncode == 0, errors
            digests += rest.split()
            assert len(digests) == 40
            store, slots = open_objects(place_, tmp_path / "reader")
            assert all(digest_bytes(store.get(Digest(digest))) == digest for digest in digests)
            assert slots.get("newest") == digests[-1].encode()


def test_a_server_that_stays_away_is_told_after_a_while(tmp_path: Path) -> None:
    with own_server() as server, environment(server.start().variables()):
        bucket = open_bucket(f"s3://{BUCKET}/gone", patience=2.0)
        store = BucketStore(bucket, Cache(tmp_path / "cache"))
        kept = store.put(b"before")
        server.stop()
        with pytest.raises(Unavailable) as caught:
            store.put(b"after")
        assert bucket.name in render(caught.value)
        assert store.get(kept) == b"before", "what this machine has needs no server"
        server.start()
        assert store.put(b"after") == digest_bytes(b"after")


def test_a_service_that_was_never_met_is_given_up_soon_and_aloud(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts and says nothing: without a first request, each would wait a minute for the first byte."""
    monkeypatch.setattr(bucket, "BRIEFLY", dict.fromkeys(bucket.BRIEFLY, timedelta(milliseconds=100)))
    monkeypatch.setattr(bucket, "MEETING", 0.5)
    monkeypatch.setattr(patience, "TOLD", 0.2)
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as mute:
        there = f"127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        with (
            environment({"AWS_ENDPOINT_URL": f"http://{there}"}),
            pytest.raises(BucketUnavailable) as caught,
        ):
            open_bucket(url, unmet=True, tell=said.append).create("a", b"1")
    assert time.monotonic() - began < 20, "and not the minute that a large request may be silent for"
    assert there in render(caught.value)
    assert len(said) == 1 and there in said[0]


def test_whatever_a_service_answers_at_first_it_is_there(url: str) -> None:
    assert open_bucket(url, unmet=True).get("a") is None
    plain = {"AWS_ACCESS_KEY_ID": "nobody-key"}
    with environment(plain), pytest.raises(CredentialsRefused):
        open_bucket(url, unmet=True).get("a")


def test_reasons_are_words_and_no_debug_print(url: str) -> None:
    with environment({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}), pytest.raises(BucketUnavailable) as caught:
        open_bucket(url, patience=0.5).head("a")
    assert re.fullmatch(r"[a-z ]+", caught.value.why)
    assert json.dumps(caught.value.facts())
