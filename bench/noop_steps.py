"""Steps in a line that do nothing and pass a small dict, in whole processes: the first run, and all of it once more.

    python bench/noop_steps.py [--repeat 5] [--peers] [--profile]

In Noria each step is isolated in a worker process, recorded, and its result durable before the next begins. What one
more step costs is the difference of two lengths of the line within a round. Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from contenders import Contender, Files, contenders
from measuring import NORIA, Figure, Took, clocked, compiled, options, report, repository, surroundings, took

SMALL = 20
LARGE = 120  # a cached step costs a third of a millisecond: a hundred of them stand out of a process's noise
LARGE_SLOW = 40  # for peers whose step costs hundreds
LIMITS = {"first": 1.2, "again": 0.7}  # s, whole process
STEP_LIMITS = {"first": 10.0, "again": 0.5}  # ms, one more step
KINDS = {"first": "first run", "again": "all reused"}


def main() -> int:
    parser = options(__doc__, repeat=5, peers=True)
    parser.add_argument(
        "--sizes", type=int, nargs=2, default=(SMALL, LARGE), metavar="N", help="steps of the two lines"
    )
    parser.add_argument("--profile", action="store_true", help="also print where a cached run's time goes")
    asked = parser.parse_args()
    compiled()
    found = contenders(asked.peers)
    with tempfile.TemporaryDirectory() as folder:
        lines = Lines(*asked.sizes)
        for turn in range(asked.repeat):
            lines.round(found, Path(folder), turn, asked.peer_rounds)
        if asked.profile:
            profile(Path(folder, f"{NORIA}-{lines.large}-0"))
    return report("noop_steps", lines.figures, asked, versions=versions(found))


def versions(found: list[Contender]) -> dict[str, str]:
    from peers import version_of

    return {
        name: version_of(name)
        for name in dict.fromkeys(one.name.partition(",")[0] for one in found)
        if name != NORIA
    }


class Lines:
    """Two lengths of the line, and what was measured of each."""

    def __init__(self, small: int, large: int) -> None:
        self.small, self.large = small, large
        self._whole = {kind: clocked(f"{small} steps, {said}", LIMITS[kind]) for kind, said in KINDS.items()}
        self._more = {kind: _more(said, STEP_LIMITS[kind]) for kind, said in KINDS.items()}

    @property
    def figures(self) -> list[Figure]:
        return [figure for kind in KINDS for figure in (*self._whole[kind], *self._more[kind])]

    def round(self, found: list[Contender], folder: Path, turn: int, slow_rounds: int) -> None:
        """Each who takes part, once; a server that one needs is up for its turn alone."""
        for one in found:
            if not one.slow or turn < slow_rounds:
                with one.beside(folder / f"{one.name}-{turn}") as variables:
                    self._turn(one, folder, turn, variables)

    def _turn(self, one: Contender, folder: Path, turn: int, variables: Mapping[str, str]) -> None:
        large = min(self.large, LARGE_SLOW) if one.slow else self.large
        short, long = (
            runs(one, folder / f"{one.name}-{size}-{turn}", one.chain(size), variables)
            for size in (self.small, large)
        )
        for kind, few in short.items():
            many = long[kind]
            for figure, seconds in zip(self._whole[kind], (few.wall, few.cpu), strict=True):
                figure.add(one.name, seconds)
            for figure, seconds in zip(
                self._more[kind], (many.wall - few.wall, many.cpu - few.cpu), strict=True
            ):
                figure.add(one.name, 1e3 * seconds / (large - self.small))


def _more(said: str, limit: float) -> tuple[Figure, Figure]:
    return (
        Figure(f"one more step, {said}", "ms", limit=limit),
        Figure(f"one more step, {said}, CPU", "ms"),
    )


def runs(one: Contender, root: Path, files: Files, variables: Mapping[str, str]) -> dict[str, Took]:
    """A project, run for the first time and, where that is something else, once more."""
    repository(root, files)
    given = {**one.variables, **variables}
    for command in one.prepare:
        took(command, root, given)
    return {
        kind: took(command, root, given)
        for kind, command in (("first", one.first), ("again", one.again))
        if command is not None
    }


def profile(root: Path) -> None:
    """The functions that a cached run spends its time in, on stderr."""
    script = (
        "import cProfile, sys; from noria.cli import main; cProfile.run('main([\"run\"])', sort='tottime')"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        env=surroundings(root),
    )
    print("\n".join(said.stdout.splitlines()[:40]), file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
