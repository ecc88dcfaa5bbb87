"""`make demo`: a real project, a live service and most of a year of production in a few minutes.

Everything shown is measured in the run that shows it. The commands behind each stage are printed, so that a reader
can repeat them in the project that the demo leaves behind.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from noria.app.asking import Wish
from noria.app.open_run import Trained
from noria.app.promote import find_version
from noria.app.serve import serving
from noria.app.train import train
from noria.app.wiring import App, open_app
from noria.declare import resolve
from noria.errors import NoriaError, NotFound, UsageError, render
from noria.graph.load import load_pipeline
from noria.ports.clock import VirtualClock
from noria.records.policy import ModelPolicy
from noria.records.versions import Version
from noria.replay import figure, tell
from noria.replay.client import Client
from noria.replay.compare import Worth, worth
from noria.replay.history import History
from noria.replay.play import Played, play

if TYPE_CHECKING:
    from noria.replay.tell import Teller

MARKER = Path(".noria", "demo")  # in a project that the demo made: what lies there may be made anew
MARKED = "The demo made this project, and removes all of it before it plays again.\n"


@dataclass(eq=False)
class NotTheDemos(UsageError):
    code: ClassVar[str] = "DEMO-FOLDER"
    what: ClassVar[str] = (
        "{folder} is there and was not made by the demo, which would replace it; nothing was touched"
    )
    next: ClassVar[str] = "name another folder with --folder, or remove this one yourself"
    folder: str


@dataclass(eq=False)
class NoExample(NotFound):
    code: ClassVar[str] = "DEMO-EXAMPLE"
    what: ClassVar[str] = "there is no example project at {folder}"
    next: ClassVar[str] = "run it in a clone of the repository, or name its examples with --examples"
    folder: str


@dataclass(frozen=True)
class Demo:
    """One example as the demo plays it."""

    start: datetime
    """Until here the first training knows; from here on questions are asked."""
    until: datetime
    title: str


DEMOS = {
    "flights": Demo(
        start=datetime(2013, 2, 12, 9, tzinfo=UTC),
        until=datetime(2014, 1, 1, 9, tzinfo=UTC),
        title="Will a flight out of New York land late? Every flight of 2013",
    ),
    "bikeshare": Demo(
        start=datetime(2011, 2, 12, 5, tzinfo=UTC),
        until=datetime(2012, 1, 1, 5, tzinfo=UTC),
        title="How many bikes are hired in the next hour? Washington, 2011",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Play a demo; 0 when it came to its end."""
    asked = _parser().parse_args(arguments)
    demo = DEMOS[asked.data]
    teller = tell.Teller()
    try:
        project = make_project(Path(asked.examples) / asked.data, Path(asked.folder) / asked.data)
        _demonstrate(project, demo, teller, days=asked.days)
    except NoriaError as error:
        print(render(error), file=sys.stderr)
        return error.exit
    except KeyboardInterrupt:
        print("stopped; what was done is kept: noria runs", file=sys.stderr)
        return 130
    return 0


def make_project(example: Path, folder: Path) -> Path:
    """A fresh git repository with a copy of an example; an earlier demo's is replaced. Raises `NoExample`, and
    `NotTheDemos` for any other file or folder that is in the way."""
    if not example.is_dir():
        raise NoExample(folder=str(example))
    _make_room(folder)
    _mark(folder)
    shutil.copytree(
        example, folder, ignore=shutil.ignore_patterns(".noria", "__pycache__"), dirs_exist_ok=True
    )
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [
            "-c",
            "user.name=demo",
            "-c",
            "user.email=demo@localhost",
            "commit",
            "--quiet",
            "-m",
            "The first commit",
        ],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder.resolve()


def _make_room(folder: Path) -> None:
    """Remove what an earlier demo made, and nothing else; an empty folder may stay."""
    if folder.is_dir() and not folder.is_symlink():
        if not any(folder.iterdir()):
            return
        if (folder / MARKER).is_file():
            shutil.rmtree(folder)
            return
    if folder.exists() or folder.is_symlink():
        raise NotTheDemos(folder=str(folder))


def _mark(folder: Path) -> None:
    """Before anything else is written: a demo that is killed at once may be replaced too."""
    marker = folder / MARKER
    marker.parent.mkdir(parents=True)
    marker.write_text(MARKED)
    (marker.parent / ".gitignore").write_text("*\n")  # as an opened project has it; the demo commits before


def _demonstrate(project: Path, demo: Demo, teller: Teller, days: int | None) -> None:
    began = time.monotonic()
    until = min(demo.until, demo.start + timedelta(days=days)) if days else demo.until
    clock = VirtualClock(demo.start)
    with open_app(project, clock=clock) as app:
        policy = app.policy.models[0]
        teller.opening(demo.title, project, policy)
        first = _first_training(app, policy, teller)
        history = History(resolve(load_pipeline(project, policy.pipeline)), demo.until)
        played = _live(app, clock, policy, history, until, teller)
        teller.comparing()
        result = worth(app, find_version(app, f"{policy.name}:{first.number}"), history, demo.start, until)
        _closing(app, policy, demo, result, played, teller, time.monotonic() - began)


def _first_training(app: App, policy: ModelPolicy, teller: Teller) -> Version:
    teller.stage("train", f"noria run {policy.name} --as-of {app.clock.now():%Y-%m-%dT%H:%MZ}")
    trained: Trained = train(app, policy.name, Wish(), teller)
    teller.trained(trained)
    return find_version(app, f"{policy.name}@champion")


def _live(
    app: App, clock: VirtualClock, policy: ModelPolicy, history: History, until: datetime, teller: Teller
) -> Played:
    teller.stage("serve", f"noria serve {policy.name}@champion")
    with (
        (app.state / "service.log").open("wb") as log,
        serving(app, f"{policy.name}@champion", port=0, log=log) as service,
        Client(service.url, policy.name) as client,
        teller.playing(clock.now(), until),
    ):
        teller.listening(service.url)
        return play(
            app,
            clock,
            policy.name,
            history,
            client,
            until=until,
            listener=teller,
            on_watched=teller.watched,
            on_step=teller.stepped,
        )


def _closing(
    app: App, policy: ModelPolicy, demo: Demo, result: Worth, played: Played, teller: Teller, seconds: float
) -> None:
    alarms = [when for when, turn in played.turns if turn.watched.alarm]
    promotions = [when for when, turn in played.turns if turn.trained and turn.trained.moved]
    picture = figure.draw(
        result, app.project / "quality.png", title=demo.title, alarms=alarms, promotions=promotions
    )
    teller.ending(result, played, picture, figure.in_terminal(result), seconds)
    teller.next_steps(app.project, policy)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make demo", description="Play a year of production in a few minutes."
    )
    parser.add_argument("data", nargs="?", default="flights", choices=sorted(DEMOS))
    parser.add_argument("--examples", default="examples", help="the folder of the example projects")
    parser.add_argument("--folder", default=".demo", help="where the demo's project is made and left")
    parser.add_argument("--days", type=int, help="play that many days only")
    return parser


if __name__ == "__main__":
    sys.exit(main())
