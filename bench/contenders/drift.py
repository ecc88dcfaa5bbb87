"""One watcher of drift in its own environment: the same rows for all, made by numpy alone.

    python drift.py WHO speed ROWS [TABLE]
    python drift.py WHO checks CHECKS RUNS SHIFT

The last line is JSON: rows a second and memory of a check of ROWS rows of 20 columns of numbers and 5 of categories, given
TABLE rows at a time or all at once, against 100,000; or, a run, the check (of 1,000 rows of 20 columns of numbers, the first of which is moved by SHIFT, against 10,000) at which
it first raises an alarm, null if it does not in CHECKS. Each is asked as its own documentation asks first, all settings its own.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

NUMBERS, CATEGORIES, LEVELS = 20, 5, 10
REFERENCE, CHECK = 100_000, 1_000
ROUNDS = 3  # the first one also fetches the rows into memory
Data = dict[str, Any]
Watch = Callable[[Data], bool]
"""Takes the rows of a check, and says whether it raises an alarm."""


def main() -> None:
    who, what, *rest = sys.argv[1:]
    watcher = {
        "noria": noria,
        "noria, bound 0.05": partial(noria, false_alarm=0.05),
        "evidently": evidently,
        "nannyml": nannyml,
        "alibi-detect": alibi,
        "river": river,
    }[who]
    answer = speed(watcher, *map(int, rest)) if what == "speed" else checks(watcher, *rest)
    print(json.dumps(answer))


def speed(watcher: Callable[[Data], Watch], rows: int, table: int | None = None) -> dict[str, float]:
    rng = np.random.default_rng(1)
    check, data = watcher(made(rng, REFERENCE, CATEGORIES)), made(rng, rows, CATEGORIES)
    watch = check if table is None else in_tables(check, table)
    watch(made(rng, CHECK, CATEGORIES))  # what is done once is not what is measured
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = [timed(watch, data) for _ in range(ROUNDS)]
    mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"rows": rows, "wall": min(wall for wall, _ in took), "cpu": min(cpu for _, cpu in took), "mb": mb}


def in_tables(check: Watch, table: int) -> Watch:
    def watch(data: Data) -> bool:
        rows = len(data["x0"])
        alarms = 0
        for begin in range(0, rows, table):
            alarms += check({name: values[begin : begin + table] for name, values in data.items()})
        return alarms > 0

    return watch


def timed(watch: Watch, data: Data) -> tuple[float, float]:
    """Seconds by the clock and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    watch(data)
    return time.perf_counter() - wall, time.process_time() - cpu


def checks(
    watcher: Callable[[Data], Watch], count: str, runs: str, shift: str
) -> dict[str, list[int | None]]:
    return {"first": [first(watcher, seed, int(count), float(shift)) for seed in range(int(runs))]}


def first(watcher: Callable[[Data], Watch], seed: int, count: int, shift: float) -> int | None:
    rng = np.random.default_rng(seed)
    watch = watcher(made(rng, 10 * CHECK, 0))
    for check in range(1, count + 1):
        rows = made(rng, CHECK, 0)
        rows["x0"] = rows["x0"] + shift
        if watch(rows):
            return check
    return None


def made(rng: np.random.Generator, rows: int, categories: int) -> Data:
    numbers = {f"x{i}": rng.normal(size=rows) for i in range(NUMBERS)}
    return numbers | {f"c{i}": rng.integers(0, LEVELS, rows) for i in range(categories)}


def noria(reference: Data, false_alarm: float = 0.01) -> Watch:
    """By blocks of 10,000 rows when there are many, by rows in checks of 1,000."""
    from noria.statistics import Categories, DriftState, advance_drift, drift_evidence, drift_reference

    names = [str(level) for level in range(LEVELS)]

    def told(data: Data) -> Data:
        return {k: Categories(v, names) if k.startswith("c") else v for k, v in data.items()}

    by_block = "c0" in reference
    blocks = np.arange(len(reference["x0"])) // CHECK if by_block else None
    known = drift_reference(told(reference), blocks=blocks, false_alarm=false_alarm)
    state = DriftState.first(known)

    def watch(data: Data) -> bool:
        nonlocal state
        if by_block:
            counts = known.count(told(data), np.arange(len(data["x0"])) // 10_000)
            state = advance_drift(known, state, known.summarise(counts))
        else:
            state = advance_drift(known, state, known.summarise_rows(data, open=state.open))
        return bool(drift_evidence(known, state).alarms)

    return watch


def evidently(reference: Data) -> Watch:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    words = [name for name in reference if name.startswith("c")]
    numbers = [name for name in reference if name.startswith("x")]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=words)
    known = Dataset.from_pandas(framed(reference), definition)

    def watch(data: Data) -> bool:
        report = Report([DataDriftPreset()]).run(Dataset.from_pandas(framed(data), definition), known)
        found = [metric for metric in report.dict()["metrics"] if "ValueDrift" in metric["metric_name"]]
        return any(
            drifted(metric["metric_name"], metric["config"], float(metric["value"])) for metric in found
        )

    return watch


def drifted(name: str, config: Data, value: float) -> bool:
    limit = float(config["threshold"])
    return value < limit if "p_value" in name else value >= limit


def nannyml(reference: Data) -> Watch:
    from nannyml import UnivariateDriftCalculator

    calculator = UnivariateDriftCalculator(column_names=list(reference), chunk_size=CHECK)
    calculator.fit(framed(reference))

    def watch(data: Data) -> bool:
        found = calculator.calculate(framed(data)).filter(period="analysis").to_df()
        return bool(found.xs("alert", axis=1, level=2).to_numpy().any())

    return watch


def alibi(reference: Data) -> Watch:
    from alibi_detect.cd import TabularDrift

    words = {at: None for at, name in enumerate(reference) if name.startswith("c")}
    detector = TabularDrift(matrix(reference), p_val=0.05, categories_per_feature=words or None)
    return lambda data: bool(detector.predict(matrix(data))["data"]["is_drift"])


def river(reference: Data) -> Watch:
    from river.drift import ADWIN

    detectors = {name: ADWIN() for name in reference}

    def watch(data: Data) -> bool:
        alarms = [seen(detectors[name], values) for name, values in data.items()]
        return any(alarms)  # after all of them have seen their rows

    watch(reference)
    return watch


def seen(detector: Any, values: Any) -> bool:
    found = False
    for value in values.tolist():
        detector.update(value)
        found = found or detector.drift_detected
    return found


def framed(data: Data) -> Any:
    import pandas as pd

    columns: Iterator[tuple[str, Any]] = (
        (name, pd.Categorical(values.astype(str)) if name.startswith("c") else values)
        for name, values in data.items()
    )
    return pd.DataFrame(dict(columns))


def matrix(data: Data) -> Any:
    return np.column_stack(list(data.values())).astype(np.float64)


if __name__ == "__main__":
    main()
