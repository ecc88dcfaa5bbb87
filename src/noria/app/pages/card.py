"""A run's card as a page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from noria.app.pages.exhibits import Hall, exhibits_of
from noria.app.pages.gantt import gantt
from noria.app.pages.html import Html, tag
from noria.app.pages.lines import line_chart
from noria.app.pages.metrics import metrics_table, verdicts
from noria.app.pages.profile import data_table
from noria.app.pages.style import page
from noria.app.pages.tables import facts, shown, table
from noria.app.pages.words import amount, count, pinned, size, span, when
from noria.records.base import short
from noria.records.runs import Abandoned, Failed, Interrupted, Pruned, Ran, Succeeded

if TYPE_CHECKING:
    from noria.app.cards import Card
    from noria.app.read import RunDetail, RunView
    from noria.artifacts import Artifacts

GROUNDS = {"succeeded": "good", "failed": "bad", "killed": "bad"}
LISTED = 40  # packages' groups, files, notes: a list that one still reads


def card_page(card: Card, artifacts: Artifacts, *, made: datetime) -> str:
    """The whole page, from what matters most to what one looks up."""
    hall = Hall(artifacts)
    detail = card.detail
    parts = [
        _head(detail),
        *_ending(detail),
        *_parameters(detail.view),
        *_metrics(card),
        *_charts(card),
        *_exhibits(detail, hall),
        *_steps(detail),
        *_data(card),
        *_origin(detail.view),
        *_notes(detail),
        tag("footer", f"Card of {detail.view.name}, made by Noria at {when(made)}"),
    ]
    return page(f"{detail.view.name} · {detail.view.state}", *parts, scripts=hall.scripts)


def badge(view: RunView) -> Html:
    """A run's state in its colour."""
    return tag("span", view.state, class_=f"badge {GROUNDS.get(view.state, 'wait')}")


def _head(detail: RunDetail) -> Html:
    view = detail.view
    asked = view.run.asked
    source = asked.provenance.source
    changed = " + uncommitted changes" if source.dirty or source.untracked else ""
    branch = f" on {source.branch}" if source.branch else ""
    pairs: list[tuple[str, object]] = [
        ("Started", when(view.run.started)),
        ("Took", span(view.finished - view.run.started) if view.finished else None),
        ("As of", when(asked.as_of)),
        ("Asked by", f"{asked.trigger.kind} {asked.trigger.cause}".strip()),
        ("Commit", [tag("span", source.commit[:9], class_="mono"), branch, changed]),
        ("Version", detail.version.name if detail.version else "none came of it"),
        ("Seed", str(asked.seed)),
    ]
    head = tag("div", tag("h1", view.name), badge(view), class_="head")
    return tag("header", head, facts(pairs))


def _parameters(view: RunView) -> Iterator[Html]:
    given = [
        (f"{step}.{name}", value)
        for step, part in view.run.asked.parameters.items()
        for name, value in part.items()
    ]
    rows = [
        (tag("td", name, class_="mono nowrap"), tag("td", shown(value), class_="mono"))
        for name, value in given
    ]
    if rows:
        yield tag("h2", "Parameters")
        yield table(("parameter", "value"), rows)


def _ending(detail: RunDetail) -> Iterator[Html]:
    """Why a run has no result."""
    view, outcome = detail.view, detail.view.outcome
    if isinstance(outcome, Failed):
        yield tag("h2", f"Failed in {outcome.step}")
        yield tag("pre", outcome.error)
        if detail.tail is not None:
            above = f", after {count(detail.tail.more, 'line')} more" if detail.tail.more else ""
            yield tag("h3", f"What {detail.tail.step} printed last{above}")
            yield tag("pre", "\n".join(detail.tail.lines))
    elif isinstance(outcome, Pruned):
        yield tag("p", "A trial whose figures were weak: given up early.", class_="soft")
    elif isinstance(outcome, Abandoned):
        yield tag("p", f"Given up for {outcome.by}.", class_="soft")
    elif view.state in ("interrupted", "killed") and (outcome is None or isinstance(outcome, Interrupted)):
        why = "Its process is gone" if outcome is None else outcome.why or "A person stopped it"
        trial = view.run.asked.trigger.kind == "trial"
        then = "the next search tries it again" if trial else "the next run goes on from its finished steps"
        yield tag("p", f"{why}; {then}.", class_="soft")


def _metrics(card: Card) -> Iterator[Html]:
    outcome, judgement = card.detail.view.outcome, card.detail.judgement
    if isinstance(outcome, Succeeded) and (outcome.metrics or judgement):
        yield tag("h2", "Metrics")
        if outcome.metrics:
            yield metrics_table(outcome.metrics, judgement, card.champion)
        if judgement is not None:
            yield from verdicts(judgement)


def _charts(card: Card) -> Iterator[Html]:
    if card.charts:
        yield tag("h2", "Series")
        yield tag("div", map(line_chart, card.charts), class_="charts")


def _exhibits(detail: RunDetail, hall: Hall) -> Iterator[Html]:
    shown = list(exhibits_of(detail.steps))
    if shown:
        yield tag("h2", "Exhibits")
        yield from map(hall.render, shown)


def _steps(detail: RunDetail) -> Iterator[Html]:
    outcome = detail.view.outcome
    failed = outcome.step if isinstance(outcome, Failed) else None
    if detail.steps or failed:
        ran = [step.started for step in detail.steps if isinstance(step.reason, Ran)]
        yield tag("h2", "Steps")
        yield gantt(detail.steps, began=min(ran, default=detail.view.run.started), failed=failed)


def _data(card: Card) -> Iterator[Html]:
    for step in card.detail.steps:
        if step.data is None:
            continue
        data = step.data
        yield tag("h2", f"Data: {step.step}")
        time = f"{data.first:%Y-%m-%d} .. {data.last:%Y-%m-%d}" if data.first and data.last else None
        yield facts(
            [
                ("Amount", amount(data)),
                ("Left out, not known by then", f"{data.dropped:,}" if data.dropped else None),
                ("Time", time),
                ("Version", tag("span", short(data.digest), class_="mono")),
                ("Read", "; ".join(map(pinned, data.sources))),
            ]
        )
        table = data_table(data, card.profiles.get(step.step))
        yield tag(
            "details", tag("summary", count(len(data.columns), "column")), table, open=len(data.columns) <= 12
        )


def _origin(view: RunView) -> Iterator[Html]:
    pinned = view.run.asked.provenance
    place, machine = pinned.environment, pinned.machine
    yield tag("h2", "Environment")
    yield facts(
        [
            ("Python", f"{place.implementation} {place.python}"),
            ("Platform", place.platform),
            ("Packages", f"{place.lock or 'as installed, no lock file'} ({short(place.packages)})"),
            ("Machine", f"{machine.host}: {machine.cpu}"),
            (
                "Size",
                f"{count(machine.cores, 'core')}, {count(machine.threads, 'thread')}, {size(machine.memory)}",
            ),
            ("Groups", ", ".join(pinned.groups)),
            ("Source tree", tag("span", short(pinned.source.tree), class_="mono")),
            ("Not tracked", _listed(pinned.source.untracked)),
            ("Left out", _listed(tuple(f"{one.path} ({one.why})" for one in pinned.source.left_out))),
        ]
    )


def _notes(detail: RunDetail) -> Iterator[Html]:
    notes = {(step.step, note): None for step in detail.steps for note in step.notes}
    if notes:
        yield tag("h2", "Notes")
        yield table(("step", "note"), [(step, tag("td", note)) for step, note in list(notes)[:LISTED]])


def _listed(items: tuple[str, ...]) -> str:
    more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
    return ", ".join(items[:LISTED]) + more
