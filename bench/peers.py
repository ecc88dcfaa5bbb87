"""The peers, each in an environment of its own outside of the repository.

    python bench/peers.py [NAME ...]        install them and say which are there

They are made once, in `$NORIA_BENCH_PEERS`, else in `noria-bench` in the user's cache. A peer that cannot be installed
is said aloud and left out of the comparison.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from measuring import surroundings

# Bounded above: what the next major release of a peer takes is another peer's figure.
PEERS = {
    "Kedro": ["kedro>=1.0,<2", "kedro-datasets>=9,<10"],
    "DVC": ["dvc>=3.60,<4"],
    "Metaflow": ["metaflow>=2.15,<3"],
    "Prefect": ["prefect>=3.4,<4"],
    "MLflow": ["mlflow>=3.5,<4", "scikit-learn>=1.9,<2"],
    "FastAPI": [
        "fastapi>=0.115,<1",
        "uvicorn>=0.32,<1",
        "uvloop",
        "httptools",
        "scikit-learn>=1.9,<2",
        "lightgbm>=4.6,<5",
        "xgboost-cpu>=3.2,<4",
    ],
    "MLServer": [  # with a newer uvloop its workers do not start
        "mlserver>=1.7,<2",
        "mlserver-sklearn>=1.7,<2",
        "scikit-learn>=1.9,<2",
        "uvloop<0.22",
    ],
    "BentoML": ["bentoml>=1.4,<2", "scikit-learn>=1.9,<2"],
    "evidently": ["evidently>=0.7,<1", "pandas<3"],
    "nannyml": ["nannyml>=0.13,<1", "pandas<3", "statsmodels"],  # which it imports, and does not ask for
    "alibi-detect": ["alibi-detect>=0.12,<1"],
    "river": ["river>=0.22,<1"],
}

ONE = {"OMP_NUM_THREADS": "1"}  # what Noria's `threads = 1` does for a step


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PEERS)} (default: all)")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in PEERS]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    missing = [name for name in asked.names or PEERS if python_of(name) is None]
    for name in asked.names or PEERS:
        if name not in missing:
            print(f"{name} {version_of(name)}: {python_of(name)}")
    return 1 if missing else 0


@cache
def python_of(peer: str) -> Path | None:
    """The interpreter of a peer's environment, made when it is not there; None, said aloud, when it cannot be."""
    folder = home() / peer.lower()
    wanted = "\n".join(PEERS[peer])
    mark = folder / "installed.txt"
    if not mark.exists() or mark.read_text() != wanted:
        problem = install(folder, PEERS[peer])
        if problem:
            print(f"{peer} is left out: it cannot be installed\n{problem}", file=sys.stderr)
            return None
        mark.write_text(wanted)
    return folder / "bin" / "python"


def install(folder: Path, wanted: list[str]) -> str:
    """What went wrong, if anything did. Bytecode is made at once: else the first run would pay for it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        return "uv is not installed: pip install uv"
    print(f"installing {', '.join(wanted)} into {folder}", file=sys.stderr)
    for words in (
        ["venv", "--quiet", "--python", sys.executable, folder],
        ["pip", "install", "--quiet", "--compile-bytecode", "--python", folder / "bin" / "python", *wanted],
    ):
        done = subprocess.run([uv, *words], capture_output=True, text=True)
        if done.returncode:
            return done.stderr.strip()[-2000:]
    return ""


def home() -> Path:
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "noria-bench")
    return Path(os.environ.get("NORIA_BENCH_PEERS") or cached)


@cache
def version_of(peer: str) -> str:
    ask = f"from importlib.metadata import version; print(version({peer.lower()!r}))"
    return subprocess.run(
        [str(python_of(peer)), "-c", ask], check=True, capture_output=True, text=True
    ).stdout.strip()


def said_by(command: list[str | Path], folder: Path) -> str:
    """The last line that a peer's script prints; what went wrong is shown, and ends the bench."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=surroundings(folder, ONE))
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{done.stderr[-4000:]}")
    return done.stdout.strip().splitlines()[-1]


def versions(peers: list[str]) -> dict[str, str]:
    return {name: version_of(name) for name in peers}


if __name__ == "__main__":
    sys.exit(main())
