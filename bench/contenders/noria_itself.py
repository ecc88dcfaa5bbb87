"""Noria: each step isolated in a worker process, recorded, its result durable before what reads it begins."""

from __future__ import annotations

import sys

from contenders import NORIA, Contender, Files

TOML = '[model.bench]\npipeline = "pipeline:bench"\n'


def noria() -> Contender:
    run = (sys.executable, "-m", "noria", "run", "--quiet")
    return Contender(NORIA, chain, fan, first=run, again=run)


def chain(size: int) -> Files:
    steps = ["@bench.step\ndef s0():\n    return {'n': 0}\n"]
    for at in range(1, size):
        before = f"s{at - 1}"
        steps.append(f"@bench.step\ndef s{at}({before}):\n    return {{'n': {before}['n'] + 1}}\n")
    return {"noria.toml": TOML, "pipeline.py": _module("\n\n".join(steps))}


def fan(items: int) -> Files:
    steps = f"""
@bench.step
def numbers():
    return list(range({items}))


@bench.step
def squared(numbers: noria.Each[int]):
    return {{"square": numbers * numbers}}


@bench.step
def total(squared):
    return sum(one["square"] for one in squared)
"""
    return {"noria.toml": TOML, "pipeline.py": _module(steps)}


def _module(steps: str) -> str:
    return f"import noria\n\nbench = noria.Pipeline('bench')\n\n\n{steps}"
