"""Challengers and shadows beside a champion, as callers see them: real processes, real kills."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration.routing_world import (
    DIES,
    PREDICT,
    RAISES,
    SLEEPS,
    Admin,
    Callers,
    driver_of,
    logged,
    metric,
    routed,
    settled,
    three_versions,
    unit_text,
)
from integration.serving_world import Running, World, row, until
from noria.cli import main


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    project = tmp_path_factory.mktemp("routed")
    (project / "noria.toml").write_text('[model.rides]\npipeline = "pipeline:rides"\n')
    made = World(project / ".noria")
    three_versions(made)
    yield made
    made.records.close()


@pytest.fixture(scope="module")
def both(world: World) -> Iterator[tuple[Running, Admin]]:
    with routed(world, "--no-spare", "--deadline", "8") as it:
        yield it


def test_a_unit_is_answered_by_the_version_that_its_place_says(both: tuple[Running, Admin]) -> None:
    running, admin = both
    table = admin.canary(0.3)
    seen = Counter()
    for number in range(60):
        version = running.predict(row(driver=f"u{number}")).json()["version"]
        assert version == table.assigned(unit_text(f"u{number}"))
        seen[version] += 1
    assert set(seen) == {1, 2}


def test_a_request_of_many_rows_goes_by_its_first_rows_unit(both: tuple[Running, Admin]) -> None:
    running, admin = both
    table = admin.canary(0.3)
    mine, other = driver_of(table, 2), driver_of(table, 1)
    assert running.predict(row(driver=mine), row(driver=other)).json()["version"] == 2
    assert running.predict(row(driver=other), row(driver=mine)).json()["version"] == 1


def test_the_careful_way_is_routed_too(both: tuple[Running, Admin]) -> None:
    """A body that the quick reader leaves to the careful one, and the protocol's tensors."""
    running, admin = both
    table = admin.canary(0.3)
    for version in (1, 2):
        asked = {**row(driver=driver_of(table, version)), "asked": "2024-03-02 08:30:00+00:00"}
        body = running.client.post(PREDICT, json=asked).json()
        assert body["version"] == version
        inputs = [
            {
                "name": name,
                "datatype": {"km": "FP64", "passengers": "INT16", "pooled": "BOOL", "recent": "FP64"}.get(
                    name, "BYTES"
                ),
                "shape": [1, len(value)] if isinstance(value, list) else [1],
                "data": value if isinstance(value, list) else [value],
            }
            for name, value in row(driver=driver_of(table, version)).items()
        ]
        made = running.client.post("/v2/models/rides/infer", json={"inputs": inputs}).json()
        assert made["model_version"] == str(version)


def test_a_version_is_asked_by_name(world: World, both: tuple[Running, Admin]) -> None:
    running, admin = both
    table = admin.canary(0.0)
    world.promote(2, "candidate")
    header = {"x-noria-version": "candidate"}
    until(
        lambda: running.client.post(PREDICT, json=row(), headers=header).status_code == 200, 20, "the alias"
    )
    for named in ({"x-noria-version": "2"}, header):
        answer = running.client.post(PREDICT, json=row(ride="by-name"), headers=named).json()
        assert answer["version"] == 2
    assert running.client.post("/v1/models/rides:2/predict", json=row(ride="by-name")).json()["version"] == 2
    assert running.predict(row(driver=driver_of(table, 1))).json()["version"] == 1
    own = running.client.post(PREDICT, json=row(ride="by-name"), headers={"x-noria-version": "1"}).json()
    assert own["version"] == 1
    assert {(each["version"], each["way"]) for each in logged(world) if each["key"] == "by-name"} == {
        (1, "asked"),
        (2, "asked"),
    }
    for unknown in ("3", "nobody"):
        refused = running.client.post(PREDICT, json=row(), headers={"x-noria-version": unknown})
        assert (refused.status_code, refused.json()["code"]) == (404, "NOT-SERVED")
    world.promote(None, "candidate")


def test_whoever_asks_by_name_sees_how_it_fails(both: tuple[Running, Admin]) -> None:
    running, admin = both
    admin.canary(0.0)
    failed = running.client.post(PREDICT, json=row(passengers=RAISES), headers={"x-noria-version": "2"})
    assert (failed.status_code, failed.json()["code"]) == (500, "GRAPH-FAILED")


@pytest.mark.parametrize(("passengers", "kind"), [(RAISES, "error"), (SLEEPS, "late"), (DIES, "gone")])
def test_where_a_challenger_fails_the_champion_answers(
    world: World, both: tuple[Running, Admin], passengers: int, kind: str
) -> None:
    running, admin = both
    until(lambda: len(admin.workers(2)) == 1 or not admin.table().challengers, 60, "the challenger's worker")
    table = admin.canary(0.3)
    before = metric(running, "noria_unanswered_total", version="2", way="canary", kind=kind)
    ride = f"sick-{passengers}"
    answer = running.predict(row(ride=ride, driver=driver_of(table, 2), passengers=passengers))
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    assert metric(running, "noria_unanswered_total", version="2", way="canary", kind=kind) == before + 1
    if kind == "late":  # the worker sleeps on, and answers the next only after that
        until(
            lambda: running.predict(row(driver=driver_of(table, 2))).json()["version"] == 2, 30, "its waking"
        )
    assert [(each["version"], each["way"]) for each in logged(world) if each["key"] == ride] == [
        (1, "instead")
    ]


def test_a_shadow_answers_nobody(world: World, both: tuple[Running, Admin]) -> None:
    running, admin = both
    assert admin.put(shadows=[3]).status_code == 200
    rides = [f"copied-{number}" for number in range(20)]
    assert {running.predict(row(ride=ride)).json()["version"] for ride in rides} == {1}

    def ways() -> Counter[tuple[int, str]]:
        return Counter((each["version"], each["way"]) for each in logged(world) if each["key"] in rides)

    until(lambda: len(rides) == ways()[3, "shadow"], 30, "the copies")
    assert ways() == {(1, ""): 20, (3, "shadow"): 20}
    assert metric(running, "noria_passed_on_total", version="3", way="shadow") == 20


def test_a_table_is_changed_by_whoever_knows_it(both: tuple[Running, Admin]) -> None:
    _, admin = both
    table = admin.canary(0.1, salt="one")
    stale = admin.put(table.generation - 1, shadows=[3])
    assert (stale.status_code, stale.json()["code"]) == (409, "ROUTING-STALE")
    again = admin.put(table.generation - 1, challengers=[{"version": 2, "share": 0.1}])  # said twice
    assert (again.status_code, again.json()["changed"]) == (200, False)
    more = admin.canary(0.25)
    assert (more.generation, more.salt) == (table.generation + 1, "one")
    assert more.challengers[0].start == table.challengers[0].start
    units = [f"u{number}" for number in range(500)]
    before, after = ({unit for unit in units if each.assigned(unit) == 2} for each in (table, more))
    assert before < after


@pytest.mark.parametrize(
    ("wanted", "status", "code"),
    [
        ({"challengers": [{"version": 2, "share": 1.5}]}, 400, "REQUEST-SHAPE"),
        ({"challengers": [{"version": 2, "share": "5%"}]}, 400, "REQUEST-SHAPE"),
        ({"challenger": []}, 400, "REQUEST-SHAPE"),
        ({"shadows": [1]}, 400, "ROUTING-BAD"),
        ({"shadows": [3, 3]}, 400, "ROUTING-BAD"),
        ({"challengers": [{"version": 2, "share": 0.7}, {"version": 3, "share": 0.7}]}, 400, "ROUTING-BAD"),
        ({"shadows": [77]}, 404, "SERVE-NOTHING"),
    ],
)
def test_a_table_that_cannot_hold_changes_nothing(
    both: tuple[Running, Admin], wanted: dict[str, object], status: int, code: str
) -> None:
    _, admin = both
    before = admin.table()
    refused = admin.put(**wanted)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert admin.table() == before


def test_the_socket_is_for_its_owner_alone(both: tuple[Running, Admin]) -> None:
    running, admin = both
    assert Path(running.ready["admin"]).stat().st_mode & 0o777 == 0o600
    assert admin.client.get("/v1/routing/fares").status_code == 404
    assert running.client.get("/v1/routing/rides").status_code == 404  # not on the public address


def test_a_callers_own_words_do_not_pass_for_a_workers(world: World, both: tuple[Running, Admin]) -> None:
    running, admin = both
    assert admin.put().status_code == 200
    headers = {"x-noria-way": "shadow", "x-noria-inside": "1", "x-noria-within": "0"}
    assert running.client.post(PREDICT, json=row(ride="forged"), headers=headers).status_code == 200
    assert [each["way"] for each in logged(world) if each["key"] == "forged"] == [""]


# noria service


@pytest.fixture
def noria(world: World, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["service", *words, "-C", str(world.state.parent)])
        return code, *capsys.readouterr()

    return call


Noria = Callable[..., tuple[int, str, str]]


def test_a_canary_from_the_command_line(both: tuple[Running, Admin], noria: Noria) -> None:
    running, admin = both
    admin.put()
    code, would, _ = noria("canary", "rides:2", "5%", "--dry-run")
    assert (code, admin.table().challengers) == (0, ())
    assert "would hold" in would
    code, said, _ = noria("canary", "rides:2", "5%")
    assert code == 0
    assert "holds now" in said and "rides:1  95 %" in said and "rides:2  5 %" in said
    assert [one.share for one in admin.table().challengers] == [0.05]
    assert "as it was" in noria("canary", "rides:2", "0.05")[1]
    noria("shadow", "rides:3")
    _, shown, _ = noria("show", "rides")
    assert "rides:3" in shown and running.url in shown and "accepting" in shown
    assert running.ready["id"] in noria("list")[1]
    assert "as it was" in noria("scale", "rides", "1")[1]
    noria("clear", "rides:3")
    assert (admin.table().shadows, len(admin.table().challengers)) == ((), 1)
    noria("clear", "rides")
    assert admin.table().challengers == ()
    (service,) = json.loads(noria("--json")[1])
    assert service["admin"] == running.ready["admin"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["canary", "rides:2"], 2, "USAGE"),
        (["canary", "rides", "5%"], 2, "USAGE"),
        (["canary", "rides@champion", "5%"], 2, "USAGE"),
        (["canary", "rides:2", "five"], 2, "USAGE"),
        (["canary", "rides:2", "500%"], 2, "USAGE"),
        (["canary", "rides:2", "-1%"], 2, "USAGE"),
        (["canary", "rides:1", "5%"], 2, "ROUTING-BAD"),
        (["canary", "rides:77", "5%"], 3, "SERVE-NOTHING"),
        (["scale", "rides", "0"], 2, "USAGE"),
        (["scale", "rides", "100000"], 2, "USAGE"),
        (["scale", "rides:77", "2"], 3, "VERSION-NOT-LOADED"),
        (["show", "fares"], 3, "SERVICE-NONE"),
        (["show", "rides", "--service", "rides-0"], 3, "SERVICE-NONE"),
        (["frobnicate"], 2, "USAGE"),
    ],
)
def test_what_cannot_be_is_told(
    both: tuple[Running, Admin], noria: Noria, words: list[str], code: int, told: str
) -> None:
    _, admin = both
    before = admin.table()
    ended, out, err = noria(*words)
    assert (ended, out) == (code, ""), err
    assert f"error[{told}]" in err and "Traceback" not in err
    assert admin.table() == before


# Under load


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "state")
    three_versions(made)
    yield made
    made.records.close()


SOAK = bool(os.environ.get("NORIA_SOAK"))
CONNECTIONS = 64 if SOAK else 16
PAUSE = 0.0 if SOAK else 0.01  # s; else most of what a test takes goes into asking while processes start
SWAPS = 20 if SOAK else 5
KILLS = 20 if SOAK else 3


@pytest.mark.slow
def test_swaps_and_tables_under_load_lose_nothing(fresh: World) -> None:
    """The champion changes, with a challenger beside it, and tables come and go: no request fails, none is lost."""
    with (
        routed(fresh, "--no-spare") as (running, admin),
        Callers(running.url, CONNECTIONS, pause=PAUSE) as callers,
    ):
        for turn in range(SWAPS):
            champion = (3, 1)[turn % 2]
            admin.canary((0.1, 0.4)[turn % 2])
            callers.until_more()
            fresh.promote(champion)
            until(lambda wanted=champion: admin.table().champion == wanted, 60, "the swap")
            callers.until_more()
            admin.put(shadows=[2] if turn % 2 else [])
    assert callers.failures == []
    assert {1, 2, 3} == set(callers.answers)
    settled(fresh, callers)


@pytest.mark.slow
def test_workers_come_and_go_under_load(fresh: World) -> None:
    with (
        routed(fresh, "--no-spare") as (running, admin),
        Callers(running.url, CONNECTIONS, pause=PAUSE) as callers,
    ):
        for workers in (2, 1):
            assert admin.scale(workers).json()["changed"] is True
            assert admin.scale(workers).json()["changed"] is False
            callers.until_more()
            until(lambda wanted=workers: _shared(admin, wanted), 30, "the move")
    assert callers.failures == []
    settled(fresh, callers)


def _shared(admin: Admin, workers: int) -> bool:
    """Whether so many workers have all connections, and each its part; they say so every quarter of a second."""
    shares = [each["connections"] for each in admin.workers(1)]
    fair = len(shares) == workers and min(shares) >= CONNECTIONS // workers // 2
    return fair and sum(shares) >= CONNECTIONS


@pytest.mark.slow
def test_a_challenger_that_keeps_dying_is_taken_out_and_nobody_sees_it(fresh: World) -> None:
    with routed(fresh, "--no-spare") as (running, admin):
        table = admin.canary(0.5)
        with Callers(running.url, CONNECTIONS, pause=PAUSE) as callers:
            for _ in range(5):
                until(lambda: admin.workers(2), 60, "the challenger's worker")
                os.kill(admin.workers(2)[0]["pid"], signal.SIGKILL)
                until(lambda: not admin.workers(2), 60, "its end")
                callers.until_more()
            until(lambda: admin.workers(2), 60, "the challenger's worker")
            running.predict(row(driver=driver_of(table, 2), passengers=DIES))
            until(lambda: not admin.table().challengers, 60, "the end of the challenger")
            callers.until_more()
        assert callers.failures == []
        assert "rides:2" in admin.show()["problems"]["2"]
        assert metric(running, "noria_requests_lost_total") == 0
        assert "version.taken-out" in {each["event"] for each in running.events()}
    settled(fresh, callers)


@pytest.mark.slow
def test_a_champions_worker_that_is_killed_takes_only_what_is_in_flight_there(fresh: World) -> None:
    with routed(fresh) as (running, admin):
        admin.canary(0.3)
        for _ in range(KILLS):
            until(lambda: admin.workers(1) and admin.workers(1, "spare"), 60, "a worker and its spare")
            with Callers(running.url, CONNECTIONS, pause=PAUSE) as callers:
                os.kill(admin.workers(1)[0]["pid"], signal.SIGKILL)
                until(lambda: len(admin.workers(1)) == 1, 60, "the spare")
            assert all("200" not in failure[:4] and failure[0] not in "45" for failure in callers.failures)
            settled(fresh, callers)
            answer = running.predict(row(driver=driver_of(admin.table(), 2)))  # it knows the table
            assert answer.json()["version"] == 2


@pytest.mark.slow
def test_a_service_that_is_started_again_goes_by_the_table_of_before(fresh: World) -> None:
    with routed(fresh, "--no-spare") as (running, admin):
        table = admin.canary(0.3, salt="a trial")
        running.process.kill()
        running.process.wait(timeout=60)
    with routed(fresh, "--no-spare") as (running, admin):
        until(lambda: admin.table() == table, 60, "the table")
        assert admin.canary(0.3) == table
        for number in range(30):
            assert running.predict(row(driver=f"u{number}")).json()["version"] == table.assigned(
                unit_text(f"u{number}")
            )
    fresh.promote(2)
    with routed(fresh, "--no-spare") as (_, admin):
        until(lambda: admin.table().champion == 2, 60, "the table")
        until(lambda: admin.table().challengers == (), 60, "its place")  # a champion is nobody's challenger
