"""DVC: a process a stage, what a stage writes kept in its cache."""

from __future__ import annotations

from peers import python_of

from contenders import Contender, Files

STEP = """
import json, pathlib, sys

at = int(sys.argv[1])
before = json.loads(pathlib.Path(f"s{at - 1}.json").read_text()) if at else {"n": -1}
pathlib.Path(f"s{at}.json").write_text(json.dumps({"n": before["n"] + 1}))
"""
NUMBERS = """
import json, pathlib

pathlib.Path("numbers.json").write_text(json.dumps(list(range(SIZE))))
"""
SQUARE = """
import json, pathlib, sys

number = json.loads(pathlib.Path("numbers.json").read_text())[int(sys.argv[1])]
pathlib.Path(f"square{sys.argv[1]}.json").write_text(json.dumps({"square": number * number}))
"""
TOTAL = """
import json, pathlib

squares = [json.loads(pathlib.Path(f"square{at}.json").read_text()) for at in range(SIZE)]
pathlib.Path("total.json").write_text(json.dumps(sum(one["square"] for one in squares)))
"""


def dvc() -> list[Contender]:
    python = python_of("DVC")
    if python is None:
        return []
    command = python.with_name("dvc")
    variables = {"DVC_NO_ANALYTICS": "1", "PATH": f"{python.parent}:/usr/bin:/bin"}
    return [
        Contender(
            "DVC",
            lambda size: _chain(size),
            lambda items: _fan(items),
            first=(command, "repro", "--quiet"),
            again=(command, "repro", "--quiet"),
            prepare=[(command, "init", "--quiet")],
            variables=variables,
            slow=True,
        )
    ]


def _chain(size: int) -> Files:
    stages = [
        _stage(f"s{at}", f"step.py {at}", ["step.py", *([f"s{at - 1}.json"] if at else [])], f"s{at}.json")
        for at in range(size)
    ]
    return {"step.py": STEP, "dvc.yaml": "stages:\n" + "".join(stages)}


def _fan(items: int) -> Files:
    squares = [
        _stage(f"square{at}", f"square.py {at}", ["square.py", "numbers.json"], f"square{at}.json")
        for at in range(items)
    ]
    stages = [
        _stage("numbers", "numbers.py", ["numbers.py"], "numbers.json"),
        *squares,
        _stage("total", "total.py", ["total.py", *(f"square{at}.json" for at in range(items))], "total.json"),
    ]
    return {
        "numbers.py": NUMBERS.replace("SIZE", str(items)),
        "square.py": SQUARE,
        "total.py": TOTAL.replace("SIZE", str(items)),
        "dvc.yaml": "stages:\n" + "".join(stages),
    }


def _stage(name: str, command: str, needs: list[str], out: str) -> str:
    lines = [f"  {name}:", f"    cmd: python {command}", "    deps:", *(f"    - {need}" for need in needs)]
    return "\n".join([*lines, "    outs:", f"    - {out}"]) + "\n"
