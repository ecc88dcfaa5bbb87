"""Kedro twice: as it runs by default, in one process that keeps nothing; and with worker processes and results kept."""

from __future__ import annotations

from peers import python_of

from contenders import Contender, Files

PROJECT = '[tool.kedro]\npackage_name = "bench"\nproject_name = "bench"\nkedro_init_version = "1.0.0"\n'
SETTINGS = """
[project]
name = "bench"
version = "0.1"
"""
KEPT = '"{name}":\n  type: json.JSONDataset\n  filepath: data/{name}.json\n'
CHAIN = """
from kedro.pipeline import node, pipeline


def begin():
    return {"n": 0}


def more(before):
    return {"n": before["n"] + 1}


def register_pipelines():
    nodes = [node(begin, None, "s0", name="s0")]
    nodes += [node(more, f"s{at - 1}", f"s{at}", name=f"s{at}") for at in range(1, SIZE)]
    return {"__default__": pipeline(nodes)}
"""
FAN = """
from functools import partial

from kedro.pipeline import node, pipeline


def numbers():
    return list(range(SIZE))


def squared(numbers, at):
    return {"square": numbers[at] * numbers[at]}


def total(*squared):
    return sum(one["square"] for one in squared)


def square_of(at):
    made = partial(squared, at=at)
    made.__name__ = f"squared_{at}"
    return made


def register_pipelines():
    nodes = [node(numbers, None, "numbers", name="numbers")]
    nodes += [node(square_of(at), "numbers", f"square{at}", name=f"square{at}") for at in range(SIZE)]
    nodes += [node(total, [f"square{at}" for at in range(SIZE)], "total", name="total")]
    return {"__default__": pipeline(nodes)}
"""


def kedro() -> list[Contender]:
    python = python_of("Kedro")
    if python is None:
        return []
    run = (python.with_name("kedro"), "run")
    return [
        Contender("Kedro, one process", lambda n: _project(CHAIN, n), lambda n: _project(FAN, n), run),
        Contender(
            "Kedro, workers",
            lambda n: _project(CHAIN, n, KEPT),
            lambda n: _project(FAN, n, KEPT),
            (*run, "--runner", "ParallelRunner"),
            slow=True,
        ),
    ]


def _project(registry: str, size: int, catalog: str = "") -> Files:
    return {
        "pyproject.toml": PROJECT + SETTINGS,
        "src/bench/__init__.py": "",
        "src/bench/settings.py": "",
        "src/bench/pipeline_registry.py": registry.replace("SIZE", str(size)),
        "conf/base/catalog.yml": catalog,
        "conf/local/credentials.yml": "",
        "data/.keep": "",
    }
