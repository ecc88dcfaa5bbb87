"""What a collection keeps, what it takes, and what it says."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from noria.adapters.bucket_errors import BucketUnavailable
from noria.app.audit import audit
from noria.app.drivers import driving
from noria.app.errors import UnknownModel
from noria.app.gc import DriversAtWork, Gathered, collect, spans
from noria.app.gone import VersionGone
from noria.app.keeping import kept
from noria.app.promote import promote
from noria.app.reached import past_of
from noria.app.read import read_run, read_version
from noria.app.rollback import rollback
from noria.app.serve import serving
from noria.app.users import OthersUse
from noria.artifacts.artifacts import NoCodec
from noria.cli.show_version import version_lines
from noria.errors import Corrupt, render
from noria.ports.leases import Busy
from noria.ports.objects import KEPT
from noria.records.base import digest_bytes
from noria.records.events import GarbageCollected
from noria.records.policy import KeepPolicy
from noria.records.runs import Interrupted
from noria.records.service import Service
from unit.app.past_world import NOW, World, reopened, with_slot, world

DAY = 86_400.0


@pytest.fixture
def past(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def swept(past: World, model: str | None = None, **more: object) -> Gathered:
    past.age()
    return collect(past.app, model, **more)  # type: ignore[arg-type]


def numbers(kept: Iterable[str]) -> set[int]:
    return {int(re.split("[/:]", name)[1]) for name in kept}


def test_keeps_the_newest_runs_and_the_young_ones_and_gives_up_the_others(past: World) -> None:
    for days in (50, 40, 9, 3, 2, 1):
        past.run(days)
    found = swept(past)
    (share,) = found.shares
    assert share.given_up == (1, 2)
    assert numbers(share.kept_runs) == {3, 4, 5, 6}
    assert not past.any_of("delay/1") and not past.any_of("delay/2")
    assert all(past.whole(f"delay/{number}") for number in (3, 4, 5, 6))
    assert not past.has(f"code of {NOW - timedelta(days=50):%F}")
    assert past.has(f"code of {NOW - timedelta(days=1):%F}")
    assert found.done and found.objects == share.objects and found.size == share.size > 0
    assert swept(past).objects == 0


@pytest.mark.parametrize("days", [50, 20])
def test_the_newest_are_kept_however_old(past: World, days: float) -> None:
    past.run(60)
    past.run(55)
    past.run(days)
    assert swept(past).shares[0].given_up == (1,)


def test_a_search_pushes_no_run_out(past: World) -> None:
    past.run(60)
    past.run(55)
    for number in range(5):
        past.run(50 - number, kind="trial")
    found = swept(past)
    assert numbers(found.shares[0].kept_runs) == {1, 2}


def test_versions_that_somebody_needs_are_kept_whole(past: World) -> None:
    """1: the champion before; 2: the champion; 3: @friday; 4: nobody's; 5: served; 6: nobody's; 7: the newest."""
    for days in range(60, 53, -1):
        past.run(days, version=True)
    for number in (1, 2):
        past.alias(number, 50)
    past.alias(3, 50, alias="friday")
    service = Service(
        id="a", model="delay", follows="5", url="http://127.0.0.1:1", pid=1, version=5, seen=datetime.now(UTC)
    )
    past.app.records.services.announce(service)
    found = swept(past, keep=KeepPolicy(runs=0, seconds=0.0))
    (share,) = found.shares
    assert numbers(share.kept_versions) == {1, 2, 3, 5, 7}
    assert share.versions_given_up == (4, 6)
    for number in (1, 2, 3, 5, 7):
        assert past.whole(f"delay/{number}")
        assert all(past.has(f"delay:{number} {part}") for part in ("rows", "holdout", "losses"))
        assert past.has(f"code of {NOW - timedelta(days=61 - number):%F}"), share.kept_versions[
            f"delay:{number}"
        ]
    for number in (4, 6):
        assert not past.any_of(f"delay/{number}") and not past.has(f"delay:{number} losses")
    assert "rollback" in share.kept_versions["delay:1"] and "champion" in share.kept_versions["delay:2"]


def test_a_version_whose_labels_are_still_to_come_is_kept(past: World) -> None:
    """It was champion until a day ago, its labels come within two days, and blocks are a day long."""
    for days in (60, 59, 58, 57):
        past.run(days, version=True)
    past.alias(1, 50)
    past.alias(2, 1)
    past.alias(3, 0.5)
    past.alias(4, 0.4)
    assert "labels" in swept(past, keep=KeepPolicy(runs=0, seconds=0.0)).shares[0].kept_versions["delay:1"]
    past.app.clock.advance(timedelta(days=5))  # type: ignore[attr-defined]
    assert numbers(swept(past, keep=KeepPolicy(runs=0, seconds=0.0)).shares[0].kept_versions) == {3, 4}


def test_unfinished_runs_are_kept_with_what_they_have_done(past: World) -> None:
    killed = past.run(60, unfinished=True)
    interrupted = past.run(59, outcome=Interrupted())
    past.run(58)
    found = swept(past, keep=KeepPolicy(runs=0, seconds=0.0))
    assert found.shares[0].kept_runs == {killed.name: "not finished", interrupted.name: "not finished"}
    reopened(past.app, interrupted)
    assert past.whole("delay/1") and past.whole("delay/2") and not past.any_of("delay/3")


def test_trials_of_a_search_that_was_broken_off_are_kept_as_long_as_others(past: World) -> None:
    """Nobody goes on with them: a search that is taken up again tries their values in runs of their own."""
    past.run(60, unfinished=True, kind="trial", cause="wide 0")
    past.run(59, outcome=Interrupted(), kind="trial", cause="wide 1")
    young = past.run(1, unfinished=True, kind="trial", cause="wide 2")
    past.run(60, unfinished=True, kind="trial", cause="deep 0")
    keep = KeepPolicy(runs=0, seconds=10 * DAY)
    at_work = replace(past_of(past.app, "delay"), searched={"wide"})
    assert kept(at_work, keep, NOW).runs == dict.fromkeys((1, 2, 3), "not finished")
    found = swept(past, keep=keep)
    assert found.shares[0].kept_runs == {young.name: "since 2025-05-22"}
    assert found.shares[0].given_up == (1, 2, 4)
    assert past.whole(young.name) and not any(past.any_of(f"delay/{number}") for number in (1, 2, 4))


def test_what_two_runs_made_stays_while_one_of_them_is_kept(past: World) -> None:
    past.run(60, made="shared")
    past.run(2, model="rain", made="shared")
    found = swept(past, keep=KeepPolicy(runs=1, seconds=0.0))
    assert past.whole("shared")
    assert [share.given_up for share in found.shares] == [(), ()]
    found = swept(past, "delay", keep=KeepPolicy(runs=0, seconds=0.0))
    assert found.shares[0].given_up == (1,) and found.shares[0].objects == 2, "its code alone was its own"
    assert past.whole("shared")


def test_what_two_given_up_models_shared_is_counted_once(past: World) -> None:
    past.run(60, made="shared")
    past.run(60, model="rain", made="shared")
    found = swept(past, keep=KeepPolicy(runs=0, seconds=0.0))
    assert [share.given_up for share in found.shares] == [(1,), (1,)]
    assert sum(share.objects for share in found.shares) == found.objects
    assert not past.any_of("shared")


def test_one_model_alone(past: World) -> None:
    past.run(60)
    past.run(60, model="rain")
    stray = past.store.put(b"nobody's")
    found = swept(past, "delay", keep=KeepPolicy(runs=0, seconds=0.0))
    assert not past.any_of("delay/1")
    assert past.whole("rain/1")
    assert stray in past.store.digests(), "it is not known to be this model's"
    assert {share.model: share.given_up for share in found.shares} == {"delay": (1,), "rain": ()}
    with pytest.raises(UnknownModel):
        collect(past.app, "snow")


def test_what_no_record_names_goes_once_it_is_old(past: World) -> None:
    old, young = past.store.put(b"stray"), past.store.put(b"just stored")
    past.age()
    os.utime(past.store.path(young))
    found = collect(past.app)
    assert list(past.store.digests()) == [young]
    assert (found.objects, found.size) == (1, len(b"stray"))
    assert (found.waiting, found.waiting_size) == (1, len(b"just stored"))
    assert old not in past.store.digests()


def test_a_model_that_left_noria_toml_is_collected_too(past: World) -> None:
    past.run(60, model="gone", version=True)
    past.run(59, model="gone", version=True)
    swept(past, keep=KeepPolicy(runs=0, seconds=0.0))
    assert not past.any_of("gone/1") and past.whole("gone/2")


def test_a_dry_run_changes_nothing_and_says_the_same(past: World) -> None:
    past.run(60, version=True)
    past.run(2, version=True)
    before = set(past.store.digests())
    events = audit(past.app)
    dry = swept(past, keep=KeepPolicy(runs=1, seconds=0.0), dry_run=True)
    assert not dry.done
    assert set(past.store.digests()) == before and audit(past.app) == events
    wet = collect(past.app, keep=KeepPolicy(runs=1, seconds=0.0))
    assert (wet.objects, wet.size, wet.shares) == (dry.objects, dry.size, dry.shares)


def test_the_event_says_what_was_given_up_once(past: World) -> None:
    for days in (60, 59, 58, 57, 2):
        past.run(days, version=days == 59)
    past.alias(1, 0)
    swept(past)
    swept(past)
    changes = [change for _, change in past.app.records.ledger.events("delay", kinds=["garbage.collected"])]
    (change,) = changes
    assert isinstance(change, GarbageCollected)
    collected = change.collected
    assert collected.given_up == ((1, 1), (3, 3)) and collected.runs == 2
    assert collected.versions == ()
    assert collected.objects == 2 * 7 and collected.size > 0
    assert "newest 2 runs" in collected.policy
    assert all(one.sound for one in audit(past.app))


def test_a_version_that_is_gone_says_so_and_cannot_be_used(past: World) -> None:
    for days in (60, 59, 58):
        past.run(days, version=True)
    past.alias(3, 50)
    swept(past, keep=KeepPolicy(runs=0, seconds=0.0))
    shown = read_version(past.app, "delay:1")
    assert shown.gone and shown.gone.at == NOW
    assert "its artifacts are gone: noria gc gave them up at 2025-06-01" in "\n".join(version_lines(shown))
    assert read_version(past.app, "delay:3").gone is None
    for use in (
        lambda: promote(past.app, "delay:1", by="ada"),
        lambda: promote(past.app, "delay:1", by="ada", alias="friday", dry_run=True),
        lambda: serving(past.app, "delay:1").__enter__(),
    ):
        with pytest.raises(VersionGone) as caught:
            use()
        assert "noria gc gave it up at 2025-06-01" in render(caught.value)
        assert "git checkout aaaaaaaaaaaa" in render(caught.value)
    assert past.app.records.versions.aliases("delay") == {"champion": 3}
    assert read_run(past.app, "delay/1").steps


def test_a_version_that_lost_an_object_otherwise_is_told_apart(past: World) -> None:
    past.run(2, version=True)
    past.run(1, version=True)
    past.alias(1, 0.5)
    past.alias(2, 0.4)
    past.store.remove([digest_bytes(b"delay:1 losses")], unused_since=4e9)
    with pytest.raises(VersionGone) as caught:
        rollback(past.app, "delay", by="ada")
    assert "1 of its objects are gone from the store" in render(caught.value)
    assert past.app.records.versions.aliases("delay") == {"champion": 2}


def test_the_way_back_waits_for_no_store_that_is_away(past: World, monkeypatch: pytest.MonkeyPatch) -> None:
    past.run(2, version=True)
    past.run(1, version=True)
    past.alias(1, 0.5)
    past.alias(2, 0.4)

    def away(digest: object) -> bool:
        raise BucketUnavailable("s3://models", "has", "the connection was refused")

    monkeypatch.setattr(past.store, "has", away)
    rollback(past.app, "delay", by="ada")
    assert past.app.records.versions.aliases("delay") == {"champion": 1}


def test_a_failed_run_that_was_given_up_can_still_be_shown(past: World) -> None:
    past.fail(60)
    past.run(2)
    past.run(1)
    swept(past)
    assert not past.has("log 60")
    assert read_run(past.app, "delay/1").tail is None


class TestBesideDrivers:
    """Nothing that a driver put or asked for since it began may go."""

    def test_what_a_driver_stored_stays_however_long_it_works(self, past: World) -> None:
        digest = past.store.put(b"not recorded yet")
        with driving(past.app.slots, "delay"):
            started_before = time.time() - 10 * KEPT
            slot = past.app.slots.names("drivers")[0]
            _backdate(past, slot, started_before)
            stored = started_before + 60
            os.utime(past.store.path(digest), (stored, stored))
            assert collect(past.app).drivers == 1
            assert digest in past.store.digests()
        collect(past.app)
        assert digest not in past.store.digests(), "it has ended, and recorded nothing"

    def test_an_old_result_that_a_driver_has_asked_for_stays(self, past: World) -> None:
        past.run(60, made="cached")
        past.run(2)
        past.run(1)
        past.age()
        assert past.store.has(digest_bytes(b"cached"))
        collect(past.app)
        assert past.has("cached") and not past.has("cached item 0")

    def test_one_that_died_protects_nothing(self, past: World) -> None:
        digest = past.store.put(b"of a dead run")
        past.age()
        with driving(past.app.slots, "delay"):
            slot = past.app.slots.names("drivers")[0]
            _backdate(past, slot, time.time() - 40 * DAY, seen=time.time() - 3600)
            collect(past.app)
            assert digest not in past.store.digests()
            assert past.app.slots.names("drivers") == []

    def test_at_once_is_refused_while_one_works(self, past: World) -> None:
        past.store.put(b"young")
        with driving(past.app.slots, "delay"), pytest.raises(DriversAtWork) as caught:
            collect(past.app, at_once=True)
        assert f"process {os.getpid()}" in render(caught.value)
        past.run(1)
        with past.app.leases.hold("delay", "process 1"), pytest.raises(Busy):
            collect(past.app, at_once=True)
        assert past.has("young")
        assert collect(past.app, at_once=True).objects == 1
        assert not past.has("young") and past.whole("delay/1")


def _backdate(past: World, slot: str, started: float, *, seen: float | None = None) -> None:
    """As if the driver had begun long ago."""
    import msgspec

    from noria.app.drivers import Driver
    from noria.records.base import canonical, parse

    body = past.app.slots.get(slot)
    assert body
    driver = parse(body, Driver)
    changed = {"started": datetime.fromtimestamp(started, UTC)}
    if seen is not None:
        changed["seen"] = datetime.fromtimestamp(seen, UTC)
    past.app.slots.put(slot, canonical(msgspec.structs.replace(driver, **changed)))


class TestWhatCannotBeRead:
    """When nobody can tell what is needed, nothing is given up."""

    def test_a_list_that_is_damaged(self, past: World) -> None:
        past.run(60)
        run = past.run(2)
        (result,) = past.app.records.runs.steps("delay", run.number)
        path = past.store.path(result.outputs["items"].digest)
        path.chmod(0o644)
        path.write_bytes(b"x" * path.stat().st_size)
        before = set(past.store.digests())
        with pytest.raises(Corrupt):
            swept(past, keep=KeepPolicy(runs=1, seconds=0.0))
        assert before - set(past.store.digests()) == {result.outputs["items"].digest}, "which was moved aside"
        assert not list(past.app.records.ledger.events("delay", kinds=["garbage.collected"]))
        swept(past, keep=KeepPolicy(runs=1, seconds=0.0))
        assert past.has("delay/2") and not past.any_of("delay/1")

    def test_a_codec_that_is_not_installed(self, past: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            past, "artifact", lambda content: _foreign(World.artifact(past, content)), raising=True
        )
        past.run(60)
        past.run(2)
        with pytest.raises(NoCodec):
            swept(past, keep=KeepPolicy(runs=1, seconds=0.0))
        assert past.any_of("delay/1")
        assert swept(past, keep=KeepPolicy(runs=0, seconds=0.0)).shares[0].given_up == (1, 2)

    def test_other_records_use_the_objects(self, past: World) -> None:
        with past.app.alone("delay"):
            pass
        collect(past.app)
        past.app.slots.put("users/0123456789ab", b"/home/bob/.noria on mill")
        with pytest.raises(OthersUse) as caught:
            swept(past)
        assert "bob" in render(caught.value) and "users/0123456789ab" in render(caught.value)


def _foreign(artifact: object) -> object:
    import msgspec

    return msgspec.structs.replace(artifact, codec="parquet/1")  # type: ignore[type-var]


class TestBesideTheObjects:
    def test_checkpoints(self, past: World) -> None:
        finished = past.run(3)
        (result,) = past.app.records.runs.steps("delay", finished.number)
        from noria.records.base import digest_of

        done = with_slot(past, digest_of(result.fingerprint), "state of a finished step")
        broken = with_slot(past, digest_bytes(b"one"), "state of a step under way")
        past.run(1, unfinished=True)
        past.age()
        found = collect(past.app)
        assert past.app.slots.names("checkpoints") == [broken] and done != broken
        assert past.has("state of a step under way") and not past.has("state of a finished step")
        assert [(one.kind, one.count) for one in found.leftovers] == [("checkpoints", 1)]

    def test_an_old_checkpoint_that_no_run_can_go_on_from(self, past: World) -> None:
        with_slot(past, digest_bytes(b"one"), "abandoned long ago")
        past.run(1)
        past.age(5 * DAY)
        collect(past.app)
        assert past.has("abandoned long ago"), "younger than what the policy gives up"
        past.run(20, unfinished=True, kind="trial", cause="study 0")  # of a search that is given up
        past.age()
        collect(past.app)
        assert past.app.slots.names("checkpoints") == [] and not past.has("abandoned long ago")

    def test_files_of_runs_and_versions_that_were_given_up(self, past: World) -> None:
        kept = past.run(1, version=True)
        state = past.app.state
        wanted = state / "code" / kept.asked.provenance.source.tree.removeprefix("blake3:")
        stay = [wanted, state / "spool" / "delay" / "1"]
        go = [state / "code" / ("0" * 64), state / "code" / ".making-x", state / "spool" / "delay" / "9"]
        for folder in (*stay, *go):
            folder.mkdir(parents=True)
            (folder / "file.py").write_text("x")
        go += [state / "scratch" / "noria-killed", state / "outside" / "ab12"]
        for folder in go[3:]:
            folder.mkdir(parents=True)
            (folder / "file.py").write_text("x")
        young = state / "code" / ".making-y"
        for folder in (young, state / "scratch" / "noria-working", state / "outside" / "cd34"):
            folder.mkdir()
            stay.append(folder)
        for path in [one for folder in (*stay[:2], *go) for one in (folder / "file.py", folder)]:
            os.utime(path, (0, 0))
        found = swept(past)
        assert all(folder.exists() for folder in stay)
        assert not any(folder.exists() for folder in go)
        assert {one.kind: (one.count, one.size) for one in found.leftovers} == {
            "laid out files": (1, 1),
            "notes on files outside": (1, 1),
            "source trees": (2, 2),
            "spools": (1, 1),
        }


def test_spans() -> None:
    assert spans([]) == ()
    assert spans([1]) == ((1, 1),)
    assert spans([1, 2, 3, 5, 8, 9]) == ((1, 3), (5, 5), (8, 9))
