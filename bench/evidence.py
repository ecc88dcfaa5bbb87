"""The figures of docs/statistics: evidence over time of each test, on simulated streams of a fixed seed.

    python bench/evidence.py [--into docs/statistics]

Each figure shows a stream on which nothing changes, one that changes within what is allowed, where there is such a thing, and
one that changes by more.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from noria.statistics import (
    Cells,
    DriftState,
    RenewalState,
    RiskMonitor,
    RiskState,
    Stretch,
    advance,
    advance_drift,
    attribute,
    calibration,
    compare,
    compare_rates,
    distribution_radius,
    drift_evidence,
    drift_reference,
    even_differences,
    evidence,
    renew,
    running_risk,
    share_bounds,
    without_labels,
)
from noria.statistics import distance as apart
from noria.statistics.risk import FRACTIONS, factors
from noria.statistics.unpaired import Rows

Floats = NDArray[np.float64]
GOOD, ALLOWED, BAD, LINE = "#2c7fb8", "#e6a817", "#c0392b", "#555555"
SEED = 20130101


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, default=Path("docs/statistics"))
    into = parser.parse_args().into
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    for name, draw in FIGURES.items():
        figure, axes = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
        draw(axes, np.random.default_rng(SEED))
        axes.legend(frameon=False, fontsize=8, loc="lower right" if name == "run-length" else "best")
        figure.savefig(into / f"{name}.png", dpi=110, metadata={"Software": None})
        plt.close(figure)
        print(into / f"{name}.png")


def drift(axes: Any, rng: np.random.Generator) -> None:
    """Days of their own level; from day 60 one feature moves within the tolerance, one beyond it."""
    days, rows, change = 120, 200, 60
    levels = rng.normal(0.0, 0.15, (28 + days, 3))
    levels[28 + change :] += [0.0, 0.15, 0.9]
    values = levels[:, None, :] + rng.normal(size=(28 + days, rows, 3))
    blocks = np.repeat(np.arange(28 + days), rows)
    columns = {
        name: values[..., i].ravel() for i, name in enumerate(("as before", "moved by 0.15", "moved by 0.9"))
    }
    split = 28 * rows
    reference = drift_reference(
        {k: v[:split] for k, v in columns.items()}, blocks=blocks[:split], tolerance=0.1
    )
    summaries = reference.summarise(
        reference.count({k: v[split:] for k, v in columns.items()}, blocks[split:])
    )
    states = accumulate(
        range(days),
        lambda state, day: advance_drift(reference, state, summaries.only(slice(day, day + 1))),
        initial=DriftState.first(reference),
    )
    found = [drift_evidence(reference, state) for state in states]
    paths = np.array([each.now for each in found])
    for i, (name, colour) in enumerate(zip(reference.features, (GOOD, ALLOWED, BAD), strict=True)):
        axes.plot(paths[:, i], color=colour, label=name)
        rung = next((day for day, each in enumerate(found) if name in each.alarms), None)
        if rung is not None:
            axes.plot(
                rung,
                min(paths[rung, i], 5e8),
                "o",
                color=colour,
                label=f"beyond the tolerance: alarm on day {rung}",
            )
    marked(axes, reference.threshold, change, "days")
    axes.set_ylim(1e-3, 1e9)


def risk(axes: Any, rng: np.random.Generator) -> None:
    monitor = RiskMonitor.from_source(rng.gamma(25, 0.1 / 25, 28), loss_range=(0.0, 1.0), tolerance=0.02)
    for name, after, colour in (
        ("0.10", 0.10, GOOD),
        ("0.10, then 0.11", 0.11, ALLOWED),
        ("0.10, then 0.15", 0.15, BAD),
    ):
        means = np.repeat([0.10, after], [90, 90])
        states = accumulate(
            rng.gamma(25, means / 25), lambda state, loss: advance(monitor, state, loss), initial=RiskState()
        )
        axes.plot([evidence(state) for state in states], color=colour, label=f"risk {name}")
    marked(axes, monitor.threshold, 90, "days")
    axes.set_ylim(1e-3, 1e9)


def run_length(axes: Any, rng: np.random.Generator) -> None:
    monitor = RiskMonitor.from_source(rng.gamma(25, 0.1 / 25, 28), loss_range=(0.0, 1.0), tolerance=0.02)
    for name, after, colour in (("0.10", 0.10, GOOD), ("0.10, then 0.15 to day 140, then 0.10", 0.15, BAD)):
        means = np.repeat([0.10, after, 0.10], [90, 50, 60])
        states = list(
            accumulate(
                rng.gamma(25, means / 25),
                lambda state, loss: renew(state, factors(monitor, np.float64(loss)), run_length=900.0),
                initial=RenewalState.first(len(FRACTIONS)),
            )
        )
        axes.plot([max(state.evidence, 1e-2) for state in states], color=colour, label=f"risk {name}")
        alarms = [day for day in range(1, len(states)) if states[day].alarms > states[day - 1].alarms]
        axes.plot(alarms, [900.0] * len(alarms), "o", color=colour)
    marked(axes, 900.0, 90, "days", what="one false alarm in 900 days")


def paired(axes: Any, rng: np.random.Generator) -> None:
    for name, centre, colour in (("equal", 0.0, GOOD), ("worse by 0.012", 0.012, BAD)):
        d = rng.normal(centre, 0.007, 60)
        looks = [compare(d[:n], margin=0.005, width=5.0, method="symmetric") for n in range(6, 61)]
        days = np.arange(6, 61)
        axes.fill_between(
            days, [look.lower for look in looks], [look.upper for look in looks], color=colour, alpha=0.2
        )
        axes.plot(
            days,
            [look.estimate for look in looks],
            color=colour,
            label=f"candidate {name}: {looks[-1].verdict}",
        )
    axes.axhline(0.005, color=LINE, ls="--", lw=0.8, label="margin")
    axes.set(xlabel="days", ylabel="candidate's loss - champion's", ylim=(-0.03, 0.03))


def unpaired(axes: Any, rng: np.random.Generator) -> None:
    """As a rollout judges: days of their own weather, of which a fifth of the rows come to the challenger, then a half."""
    days = np.repeat(np.datetime64("2026-03-02", "us") + np.arange(40) * np.timedelta64(1, "D"), 24 * 20)
    weather = np.repeat(rng.normal(1.0, 0.4, 40), 24 * 20)
    shares = np.repeat((0.2, 0.5), 20 * 24 * 20)
    theirs = rng.random(days.size) < shares
    for name, more, colour in (("equal", 0.0, GOOD), ("worse by 0.15", 0.15, BAD)):
        losses = weather + rng.normal(0.0, 0.5, days.size) + more * theirs
        d = even_differences(*(Rows(days[own], shares[own], losses[own]) for own in (~theirs, theirs)))
        looks = [compare(d[:n], margin=0.05, width=5.0, method="symmetric") for n in range(6, 41)]
        axes.fill_between(
            range(6, 41),
            [look.lower for look in looks],
            [look.upper for look in looks],
            color=colour,
            alpha=0.2,
        )
        axes.plot(
            range(6, 41),
            [look.estimate for look in looks],
            color=colour,
            label=f"challenger {name}: {looks[-1].verdict}",
        )
    axes.axhline(0.05, color=LINE, ls="--", lw=0.8, label="margin")
    axes.set(xlabel="days", ylabel="challenger's day - champion's", ylim=(-0.4, 0.4))


def rates(axes: Any, rng: np.random.Generator) -> None:
    looks = np.arange(1, 201)
    for rate, colour in ((0.02, GOOD), (0.03, ALLOWED), (0.06, BAD)):
        ours = rng.binomial(100, 0.1, looks.size)
        x, y = np.cumsum(rng.binomial(ours, rate)), np.cumsum(rng.binomial(100 - ours, 0.02))
        e = [compare_rates([Stretch(int(a), int(b), 0.1)]).e_value for a, b in zip(x, y, strict=True)]
        axes.plot(looks * 100, e, color=colour, label=f"challenger fails in {rate:.0%}, champion in 2%")
    marked(axes, 20.0, None, "users of both versions")


def shares(axes: Any, rng: np.random.Generator) -> None:
    looks = np.arange(1, 101) * 20
    for rate, colour in ((0.01, GOOD), (0.05, BAD)):
        events = np.cumsum(rng.binomial(20, rate, looks.size))
        band = [share_bounds(int(x), int(n), alpha=0.05) for x, n in zip(events, looks, strict=True)]
        lower, upper = np.array(band).T
        axes.fill_between(
            looks, lower, upper, color=colour, alpha=0.2, label=f"interval at every look, truth {rate:.0%}"
        )
        axes.plot(looks, events / looks, color=colour)
    axes.set(xlabel="units", ylabel="share", ylim=(0, 0.15))


def distance(axes: Any, rng: np.random.Generator) -> None:
    looks, edges = np.arange(1, 61) * 100, np.linspace(0, 1, 33)[1:-1]
    for shift, colour in ((0.0, GOOD), (0.08, BAD)):
        bins = [np.searchsorted(edges, rng.beta(2, 5, looks[-1]) + by) for by in (0.0, shift)]
        found = []
        for n in looks:
            counts = [np.bincount(one[:n], minlength=32).tolist() for one in bins]
            found.append(apart(list(zip(*counts, strict=True)), alpha=0.05))
        axes.fill_between(
            looks, [one.lower for one in found], [one.upper for one in found], color=colour, alpha=0.2
        )
        axes.plot(looks, [one.estimate for one in found], color=colour, label=f"answers moved by {shift:g}")
    axes.set(xlabel="units of each version", ylabel="distance", ylim=(0, 0.6))


def running(axes: Any, rng: np.random.Generator) -> None:
    losses = rng.gamma(14, np.repeat([0.45, 0.60], [60, 60]) / 14)
    days = np.arange(1, 121)
    for method, colour in (("bernstein", LINE), ("asymptotic", GOOD)):
        band = running_risk(np.clip(losses, 0, 2), loss_range=(0.0, 2.0), method=method)  # type: ignore[arg-type]
        axes.fill_between(days, band.lower, band.upper, color=colour, alpha=0.2, label=method)
    axes.plot(days, losses, ".", color=BAD, ms=3, label="a day's loss")
    axes.plot(days, band.mean, color=GOOD, label="mean so far")
    axes.set(xlabel="days", ylabel="loss", ylim=(0, 1.2))


def bands(axes: Any, rng: np.random.Generator) -> None:
    n = np.unique(np.geomspace(20, 20_000, 60).astype(int))
    values = rng.lognormal(2.0, 0.5, n[-1])
    share = [float((values[:k] > 15.0).mean()) for k in n]
    radius = [distribution_radius(int(k), 0.05) for k in n]
    axes.fill_between(
        n,
        np.clip(np.subtract(share, radius), 0, 1),
        np.add(share, radius),
        color=GOOD,
        alpha=0.2,
        label="band for all limits and looks",
    )
    axes.plot(n, share, color=GOOD, label="share of answers over 15 ms so far")
    axes.set(xscale="log", xlabel="answers", ylabel="share", ylim=(0, 1))


def unlabelled(axes: Any, rng: np.random.Generator) -> None:
    days, rows, flipped = 60, 2_000, 30
    estimate, real = [], []
    for day in range(days):
        p = rng.beta(0.7, 1.6, rows)
        label = rng.random(rows) < p
        label ^= (rng.random(rows) < 0.3) & (day >= flipped)
        estimate.append(without_labels(p).accuracy)
        real.append(float(((p > 0.5) == label).mean()))
    axes.plot(estimate, color=ALLOWED, label="estimate without labels")
    axes.plot(real, color=BAD, label="what the labels will say")
    axes.axvline(flipped, color=LINE, ls=":", lw=0.8, label="from here 30 % of the labels are flipped")
    axes.set(xlabel="days", ylabel="accuracy", ylim=(0.5, 1.0))


def reliability(axes: Any, rng: np.random.Generator) -> None:
    days, rows = 40, 300
    p = rng.uniform(0.05, 0.95, (days, rows))
    happened = rng.random((days, rows)) < np.clip(p**1.35 + rng.uniform(-0.08, 0.08, (days, 1)), 0, 1)
    found = calibration(p.ravel(), happened.ravel().astype(float), np.repeat(np.arange(days), rows))
    x = np.array([each.answered for each in found.bins])
    axes.plot([0, 1], [0, 1], color=LINE, ls="--", lw=0.8, label="calibrated")
    axes.vlines(x, [each.lower for each in found.bins], [each.upper for each in found.bins], color=BAD, lw=2)
    axes.plot(
        x,
        [each.happened for each in found.bins],
        "o",
        color=BAD,
        label=f"error {found.error:.3f}, at least {found.lower:.3f}",
    )
    axes.set(xlabel="answered", ylabel="came true", xlim=(0, 1), ylim=(0, 1))


def marked(
    axes: Any, threshold: float, change: int | None, what_passes: str, what: str = "threshold"
) -> None:
    axes.axhline(threshold, color=LINE, ls="--", lw=0.8, label=f"{what}: {threshold:,.0f}")
    if change is not None:
        axes.axvline(change, color=LINE, ls=":", lw=0.8)
    axes.set(yscale="log", xlabel=what_passes, ylabel="evidence")


def attribution(axes: Any, rng: np.random.Generator) -> None:
    worlds = {
        "more rows of a bad value": ((0.1, 0.1, 0.1, 0.1, 0.6), 0.0, 0.0),
        "labels flipped where UA": ((0.2,) * 5, 0.5, 0.0),
        "a loss that grows everywhere": ((0.2,) * 5, 0.0, 0.08),
    }
    before = labelled_rows(rng, 28, (0.2,) * 5, 0.0, 0.0)
    for row, (name, (shares, flipped, worse)) in enumerate(worlds.items()):
        after = labelled_rows(rng, 14, shares, flipped, worse)
        cells = Cells(("AA", "B6", "DL", "UA", "WN"), before[2], after[2])
        found = attribute(before[:2], after[:2], {"carrier": cells})
        (carrier,) = found.features
        told = [
            ("change", LINE, found.change),
            ("mix of the carrier", ALLOWED, carrier.mix),
            ("where UA, beyond the others", BAD, carrier.cells[3].excess),
            ("explained by no feature", GOOD, found.unexplained),
        ]
        for at, (what, colour, part) in enumerate(told):
            height = -row - at * 0.17
            axes.hlines(height, part.lower, part.upper, color=colour, lw=2, label=None if row else what)
            axes.plot(part.value, height, "o", color=colour, ms=4)
        axes.text(-0.075, -row + 0.16, name, fontsize=8)
    axes.axvline(0.0, color=LINE, ls="--", lw=0.8)
    axes.set(xlabel="loss", yticks=[], xlim=(-0.08, 0.28), ylim=(-2.8, 0.5))


def labelled_rows(
    rng: np.random.Generator, days: int, shares: tuple[float, ...], flipped: float, worse: float
) -> tuple[Floats, Any, Any]:
    """Losses of 0 and 1, the day and the carrier of 400 rows a day; days have levels of their own."""
    carrier = rng.choice(5, days * 400, p=shares)
    day = np.repeat(np.arange(days), 400)
    risk = np.array([0.1, 0.15, 0.2, 0.25, 0.4])[carrier] + worse + rng.normal(0.0, 0.02, days)[day]
    wrong = (rng.random(day.size) < risk) ^ ((carrier == 3) & (rng.random(day.size) < flipped))
    return wrong.astype(np.float64), day, carrier


FIGURES: dict[str, Callable[[Any, np.random.Generator], None]] = {
    "drift": drift,
    "risk": risk,
    "run-length": run_length,
    "running": running,
    "paired": paired,
    "unpaired": unpaired,
    "rates": rates,
    "shares": shares,
    "distance": distance,
    "bands": bands,
    "attribution": attribution,
    "unlabelled": unlabelled,
    "calibration": reliability,
}

if __name__ == "__main__":
    main()
