"""A service with several versions at once, its admin socket, and callers who keep their connections."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from integration.serving_world import PIPELINE, Running, World, row, service, until
from noria.adapters.log_reader import LogReader
from noria.records.routing import Routing

PREDICT = "/v1/models/rides/predict"
SLEEPS, DIES, RAISES = 96, 95, 94  # passengers: what a sick version does with such a row
SICK = PIPELINE.replace(
    "    if (features",
    "    import os, time\n"
    f'    if (features["passengers"] == {SLEEPS}).any():\n        time.sleep(2.5)\n'
    f'    if (features["passengers"] == {DIES}).any():\n        os._exit(9)\n'
    f'    if (features["passengers"] == {RAISES}).any():\n        raise KeyError("sick")\n'
    "    if (features",
    1,
)
assert SICK != PIPELINE


def three_versions(world: World) -> None:
    """A champion, a version whose answers are 1000 higher and that is sick with some rows, and one 2000 higher."""
    world.register(1)
    world.register(2, bias=1000.0, source=SICK)
    world.register(3, bias=2000.0)
    world.promote(1)


class Admin:
    """The admin socket of a service."""

    def __init__(self, running: Running) -> None:
        transport = httpx.HTTPTransport(uds=running.ready["admin"])
        self.client = httpx.Client(transport=transport, base_url="http://admin", timeout=60)

    def __enter__(self) -> Admin:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def show(self) -> dict[str, Any]:
        answer = self.client.get("/v1/routing/rides")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def table(self) -> Routing:
        import msgspec

        return msgspec.convert(self.show()["table"], Routing)

    def put(self, generation: int | None = None, **wanted: Any) -> httpx.Response:
        known = self.table().generation if generation is None else generation
        return self.client.put("/v1/routing/rides", json={"generation": known, **wanted})

    def canary(self, share: float, version: int = 2, **more: Any) -> Routing:
        answer = self.put(challengers=[{"version": version, "share": share}], **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["told"] == answer.json()["of"] > 0
        return self.table()

    def scale(self, workers: int, version: int | None = None) -> httpx.Response:
        return self.client.post("/v1/workers/rides", json={"workers": workers, "version": version})

    def workers(self, version: int, state: str = "accepting") -> list[dict[str, Any]]:
        all_of_them = self.client.get("/v1/workers/rides").json()
        return [each for each in all_of_them if (each["version"], each["state"]) == (version, state)]


@contextmanager
def routed(world: World, *options: str, port: int = 0) -> Iterator[tuple[Running, Admin]]:
    with service(world, *options, port=port) as running, Admin(running) as admin:
        until(lambda: admin.table().champion > 0, 20, "the first table")
        yield running, admin


def driver_of(table: Routing, version: int, number: int = 0) -> str:
    """A unit that a table assigns to a version."""
    found = (f"u{at}" for at in range(100_000))
    units = (unit for unit in found if table.assigned(unit_text(unit)) == version)
    return [next(units) for _ in range(number + 1)][-1]


def unit_text(driver: str) -> str:
    """As the log and the routing know a unit."""
    from noria.records.predictions import key_text

    return key_text([driver])


def logged(world: World) -> list[dict[str, Any]]:
    """Every row of the prediction log."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, int] = {}
    reader = LogReader(world.state / "log")
    while (part := reader.read(world.model, cursor)).rows:
        cursor = dict(part.cursor)
        found += [each for table in part.tables for each in table.to_pylist()]
    return found


def metric(running: Running, name: str, **labels: str) -> float:
    """The sum of a metric's values over the series with these labels."""
    total = 0.0
    for line in running.client.get("/metrics").text.splitlines():
        if line.startswith(name + "{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            total += float(line.rpartition(" ")[2])
    return total


class Callers:
    """Connections that are kept, each with one request after the other, until they are stopped; in a thread of their own.

    Raw HTTP over asyncio, for many clients of a library would be busier than what they test."""

    def __init__(
        self,
        url: str,
        connections: int = 16,
        drivers: int = 200,
        passengers: int = 2,
        *,
        models: Sequence[str] = ("rides",),
        pause: float = 0.0,
        apart: int = 7,
    ) -> None:
        """`apart`: how many drivers lie between two connections' first ones. `models`: whom each connection asks, in turns; `pause`: seconds of each between two requests."""
        self._pause = pause
        self._apart = apart
        self._models = models
        self._host, _, port = url.removeprefix("http://").rpartition(":")
        self._port = int(port)
        self._connections, self._drivers, self._passengers = connections, drivers, passengers
        self.answers: Counter[int] = Counter()
        self.by_unit: dict[str, set[int]] = {}
        self.ids: list[str] = []
        self.failures: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Callers:
        self._thread.start()
        self.until_more()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=60)
        assert not self._thread.is_alive()

    def until_more(self, count: int = 50) -> None:
        """Wait for some more answers."""
        wanted = len(self.ids) + count
        until(lambda: len(self.ids) >= wanted or self.failures, 60, "answers")

    async def _run(self) -> None:
        await asyncio.gather(*(self._call(number) for number in range(self._connections)))

    async def _call(self, number: int) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        turn = 0
        while not self._over.is_set() and not self.failures:
            driver = f"u{(number * self._apart + turn) % self._drivers}"
            body = json.dumps(row(ride=f"{number}-{turn}", driver=driver, passengers=self._passengers))
            turn += 1
            try:
                status, answer = await asyncio.wait_for(
                    asked(reader, writer, body.encode(), self._models[turn % len(self._models)]), 60
                )
            except (OSError, EOFError, TimeoutError) as error:
                self.failures.append(repr(error))
                break
            if status != 200:
                self.failures.append(f"{status} {answer!r}")
                break
            self._noted(driver, json.loads(answer))
            await asyncio.sleep(self._pause)
        writer.close()

    def _noted(self, driver: str, answer: dict[str, Any]) -> None:
        version, given = answer["version"], answer["predictions"][0]
        if not (version - 1) * 1000 <= given["answer"] < version * 1000:
            self.failures.append(f"version {version} answered {given['answer']}")
        self.answers[version] += 1
        self.by_unit.setdefault(driver, set()).add(version)
        self.ids.append(given["id"])


async def asked(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes, model: str
) -> tuple[int, bytes]:
    head = b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    writer.write(head % (f"/v1/models/{model}/predict".encode(), len(body)) + body)
    lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    sizes = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")]
    return int(lines[0].split()[1]), await reader.readexactly(sizes[0])


def settled(world: World, callers: Callers) -> None:
    """Every answer that was given is in the log, once."""
    counts = Counter(each["id"] for each in logged(world))
    assert [id for id in callers.ids if counts[id] != 1] == []
