"""Metaflow: a process a step, artifacts kept in its local datastore. It has no run in which all is reused."""

from __future__ import annotations

from peers import python_of

from contenders import Contender, Files

FAN = """
from metaflow import FlowSpec, step


class Bench(FlowSpec):
    @step
    def start(self):
        self.numbers = list(range(SIZE))
        self.next(self.squared, foreach="numbers")

    @step
    def squared(self):
        self.square = {"square": self.input * self.input}
        self.next(self.total)

    @step
    def total(self, inputs):
        self.sum = sum(one.square["square"] for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Bench()
"""


def metaflow() -> list[Contender]:
    python = python_of("Metaflow")
    if python is None:
        return []
    # its limit of 100 items to a fan-out has to be lifted
    run = (python, "flow.py", "--quiet", "run", "--max-num-splits", "1000")
    variables = {"USERNAME": "bench", "METAFLOW_USER": "bench"}
    return [Contender("Metaflow", chain, fan, run, variables=variables, slow=True)]


def chain(size: int) -> Files:
    names = ["start", *(f"s{at}" for at in range(1, size - 1)), "end"]
    steps = [_step(name, at, names[at + 1 : at + 2]) for at, name in enumerate(names)]
    head = "from metaflow import FlowSpec, step\n\n\nclass Bench(FlowSpec):\n"
    return {"flow.py": head + "\n".join(steps) + '\n\nif __name__ == "__main__":\n    Bench()\n'}


def _step(name: str, at: int, following: list[str]) -> str:
    value = '{"n": self.value["n"] + 1}' if at else '{"n": 0}'
    then = "".join(f"        self.next(self.{one})\n" for one in following)
    return f"    @step\n    def {name}(self):\n        self.value = {value}\n{then}"


def fan(items: int) -> Files:
    return {"flow.py": FAN.replace("SIZE", str(items))}
