"""How long a rollback takes, by the clock of whoever asks for it, until the running service answers with the old version.

    python bench/rollback.py [--repeat 5]

A project with two versions and its service, which keeps a worker of the version before: `noria rollback` as a whole process,
which ends when the service's answers are the old version's. Beside it what the service took of that, and the same where it has
kept no such worker (`spare = false`) and must load the old version first. Ends with 1 when a limit is broken.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from measuring import GIT, NORIA, Figure, compiled, options, report

LIMIT = 2.0  # s
COLD = "Noria, no worker kept"
STEADY = 30.0  # s for the service to be as it will be


def main() -> int:
    asked = options(__doc__, repeat=5).parse_args()
    compiled()
    whole, service = Figure("noria rollback", "s", limit=LIMIT), Figure("until the service answers", "s")
    for who, spare in ((NORIA, True), (COLD, False)):
        with tempfile.TemporaryDirectory() as folder:
            project = made(Path(folder), spare=spare)
            with serving(project) as url:
                for _ in range(asked.repeat):
                    measured(project, url, who, whole, service, spare=spare)
    return report("rollback", [whole, service], asked)


def measured(project: Path, url: str, who: str, whole: Figure, service: Figure, *, spare: bool) -> None:
    """One promotion, and the way back."""
    noria(project, "promote", "demo:2", "--force")
    until(lambda: version(url) == 2)
    if spare:
        until(lambda: "resting" in noria(project, "service", "show", "demo"))
    began = time.monotonic()
    said = noria(project, "rollback", "demo")
    whole.add(who, time.monotonic() - began)
    found = re.search(r"after ([\d.]+) s", said)
    assert found is not None, said
    service.add(who, float(found[1]))
    assert version(url) == 1, "it answers with another version than it says"
    if spare:
        until(lambda: " spare" in noria(project, "service", "show", "demo"))


def made(folder: Path, *, spare: bool) -> Path:
    """A project with two versions, of which the first is the champion."""
    noria(folder, "init", "demo")
    project = folder / "demo"
    with (project / "noria.toml").open("a") as file:
        file.write(f"\n[service]\nport = 0\nspare = {'true' if spare else 'false'}\n")
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "begin"]):
        subprocess.run([*GIT, *words], cwd=project, check=True)
    noria(project, "run", "--quiet")
    subprocess.run(
        [sys.executable, "-m", "noria", "run", "--quiet", "--set", "classifier.learning_rate=0.06"],
        cwd=project,
        capture_output=True,  # its gates may refuse it: it is a version all the same
        check=False,
    )
    return project


@contextmanager
def serving(project: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "noria", "serve", "demo", "--no-watch"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        yield found[0]
    finally:
        process.terminate()
        process.wait()


def version(url: str) -> int:
    with urllib.request.urlopen(f"{url}/v1/models/demo") as answer:
        return int(json.load(answer)["version"])


def noria(where: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "noria", *words], cwd=where, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"noria {' '.join(words)}: {done.stderr}")
    return done.stdout


def until(true: object) -> None:
    began = time.monotonic()
    while not true():  # type: ignore[operator]
        if time.monotonic() - began > STEADY:
            raise SystemExit("the service does not come to where it should be")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
