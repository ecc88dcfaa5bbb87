"""A project with versions of a small model, its service, traffic, and whoever drives its rollouts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from integration.routing_world import Admin, Callers, routed
from integration.serving_world import PIPELINE, Running, World, until
from noria.app.rollouts.driver import Driver
from noria.app.rollouts.verbs import start
from noria.app.wiring import App, open_app
from noria.records.rollouts import Ended, Phase, Rollout, RolloutPolicy

DRIVERS = 4000  # units of the traffic
SEES_DRIVERS = PIPELINE.replace('        "passengers",\n', '        "passengers",\n        "driver",\n')
FAILING = SEES_DRIVERS.replace(  # one unit of fifty: 2 %
    "    if (features",
    '    if features["driver"].is_in([f"u{{at}}" for at in range(0, 4000, 50)]).any():\n'
    '        raise KeyError("sick")\n'
    "    if (features",
    1,
)
SLOW = PIPELINE.replace("    if (features", "    import time\n    time.sleep(0.4)\n    if (features", 1)
TOML = '[model.rides]\npipeline = "pipeline:rides"\n[service]\npatience = "4s"\n'

POLICY = RolloutPolicy(steps=(0.2, 0.5), units=40, margin=0.06, false_alarm=0.03)
"""Loose enough for some hundred units, and strict enough that chance ends no rollout of a test."""


def project(folder: Path) -> World:
    """A project whose champion is version 1."""
    (folder / "noria.toml").write_text(TOML)
    world = World(folder / ".noria")
    world.register(1)
    world.promote(1)
    return world


@contextmanager
def opened(world: World) -> Iterator[App]:
    with open_app(world.state.parent) as app:
        yield app


def last(app: App) -> Rollout:
    return app.records.rollouts.rollouts("rides")[0]


def driven(app: App, until_phase: type[Phase] = Ended, seconds: float = 60.0) -> Rollout:
    """Drive the last rollout until it is in a phase."""
    driver = Driver(app, "rides")

    def there() -> bool:
        driver.turn()
        return isinstance(last(app).phase, until_phase)

    try:
        until(there, seconds, f"a rollout to come to {until_phase.__name__}")
    finally:
        driver.close()
    return last(app)


@dataclass(frozen=True)
class Seen:
    """What a test looks at."""

    app: App
    running: Running
    admin: Admin
    callers: Callers


@contextmanager
def under_traffic(world: World, *, connections: int = 4) -> Iterator[Seen]:
    """Its service, asked all the time; at the end no request has failed."""
    with (
        opened(world) as app,
        routed(world) as (running, admin),
        Callers(
            running.url, connections=connections, drivers=DRIVERS, pause=0.01, apart=DRIVERS // connections
        ) as callers,
    ):
        yield Seen(app, running, admin, callers)
    assert callers.failures == []


def begin(app: App, version: int, policy: RolloutPolicy = POLICY) -> Rollout:
    return start(app, f"rides:{version}", policy, by="ada")
