"""A state folder with three models, and a service of several."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from integration.serving_world import Running, World, row

MODELS = ("rides", "fares", "sick")
BROKEN = 'raise RuntimeError("/secret/path of the user")'


@contextmanager
def three_models(state: Path) -> Iterator[dict[str, World]]:
    """`rides`; `fares`, whose answers are 500 higher; and `sick`, which cannot be loaded. Two have a version 2, whose answers
    are 1000 higher than the first one's of `rides`."""
    made = {name: World(state, name) for name in MODELS}
    for name, bias in (("rides", 0.0), ("fares", 500.0)):
        made[name].register(1, bias=bias)
        made[name].register(2, bias=1000.0)
    made["sick"].register(1, broken=BROKEN)
    for world in made.values():
        world.promote(1)
    yield made
    for world in made.values():
        world.records.close()


@contextmanager
def promoted(world: World, **made: Any) -> Iterator[int]:
    """Another version is the champion meanwhile, and then the one before again."""
    number = max(world.versions) + 1
    world.register(number, **made)
    before = world.records.versions.aliases(world.model)["champion"]
    world.promote(number)
    yield number
    world.promote(before)


def ask(running: Running, model: str, client: httpx.Client | None = None, **changed: Any) -> httpx.Response:
    body = {"rows": [row(**changed)]}
    return (client or running.client).post(f"/v1/models/{model}/predict", json=body)


def states(running: Running) -> dict[str, tuple[str, str]]:
    found = running.client.get("/v1/models").json()
    return {each["model"]: (each["state"], each["reason"]) for each in found}


def events(running: Running, name: str) -> list[dict[str, Any]]:
    return [each for each in running.events() if each["event"] == name]


def series(running: Running, pattern: str) -> list[str]:
    return re.findall(pattern, running.client.get("/metrics").text, re.MULTILINE)
