"""How runs and versions show themselves: a line in a terminal, a small piece of HTML in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from noria.app.pages.words import count, figure, size, span, when
from noria.records.artifacts import Artifact
from noria.records.runs import Failed, Ran, StepResult, Succeeded

if TYPE_CHECKING:
    import polars as pl

    from noria.app.compare import Comparison
    from noria.app.pages.html import Html
    from noria.app.pages.lines import Chart
    from noria.app.read import ModelView, RunDetail, RunView, VersionDetail, VersionView

METRICS = 5  # columns of metrics in a list: more than a notebook's cell is wide
FRAME = 720  # pixels of a card in a cell
NOTED = 160  # characters of an error in a line


def runs_text(title: str, views: Sequence[RunView], more: bool) -> str:
    lines = [run_text(view) for view in views]
    return "\n".join([f"<{title}>", *(f"  {line}" for line in lines), *(["  ..."] if more else [])])


def run_text(view: RunView) -> str:
    """`<delay/143 succeeded 2025-03-01 09:00:00Z, 12.1 s, delay:12, auc 0.71>`"""
    return (
        f"<{', '.join([f'{view.name} {view.state} {when(view.run.started)}', *_took(view), *_came(view)])}>"
    )


def step_text(step: StepResult) -> str:
    made = ", ".join(_artifact(name, made) for name, made in step.outputs.items())
    return f"<{step.step} ({step.role}) {_reason(step)}, {span(step.seconds)}: {made or 'nothing'}>"


def versions_text(view: ModelView) -> str:
    lines = [f"  {version_text(one)}" for one in view.versions[:10]]
    more = ["  ..."] if len(view.versions) > 10 else []
    return "\n".join([f"<{count(len(view.versions), 'version')} of {view.name}>", *lines, *more])


def version_text(view: VersionView) -> str:
    version = view.version
    aliases = f" {' '.join(f'@{alias}' for alias in view.aliases)}" if view.aliases else ""
    metrics = [f"{name} {figure(value)}" for name, value in list(version.metrics.items())[:METRICS]]
    parts = [f"{version.name}{aliases} of {when(version.as_of)}", f"gates {_passed(view)}", *metrics]
    return f"<{', '.join(parts)}>"


def runs_html(title: str, views: Sequence[RunView], more: bool) -> str:
    from noria.app.pages.card import badge
    from noria.app.pages.html import tag
    from noria.app.pages.style import snippet
    from noria.app.pages.tables import table

    metrics = _named(_metrics(view) for view in views)[:METRICS]
    rows = [
        (
            tag("td", tag("b", view.name), class_="nowrap"),
            tag("td", badge(view)),
            tag("td", when(view.run.started), class_="nowrap"),
            tag("td", *_took(view), class_="nowrap"),
            tag("td", view.run.asked.trigger.kind),
            tag("td", view.run.asked.provenance.source.commit[:9], class_="mono"),
            *(_figure(_metrics(view).get(name)) for name in metrics),
        )
        for view in views
    ]
    if not rows:
        return snippet(tag("p", f"No {title}.", class_="soft"))
    told = tag("p", "and more; .table() has all", class_="soft legend") if more else None
    return snippet(table(("run", "state", "started", "took", "by", "commit", *metrics), rows), told)


def run_html(detail: RunDetail) -> str:
    from noria.app.pages.card import badge
    from noria.app.pages.html import tag
    from noria.app.pages.metrics import metrics_table
    from noria.app.pages.style import snippet
    from noria.app.pages.tables import facts, shown

    view, asked = detail.view, detail.view.run.asked
    given = [
        tag("div", f"{step}.{name} = {shown(value)}")
        for step, part in asked.parameters.items()
        for name, value in part.items()
    ]
    metrics = _metrics(view)
    failed = view.outcome if isinstance(view.outcome, Failed) else None
    return snippet(
        tag("div", tag("b", view.name, style="font-size:17px"), badge(view), class_="head"),
        facts(
            [
                ("Started", when(view.run.started)),
                ("Took", ", ".join(_took(view))),
                ("As of", when(asked.as_of)),
                ("Version", detail.version.name if detail.version else None),
                ("Commit", tag("span", asked.provenance.source.commit[:9], class_="mono")),
                ("Parameters", tag("div", given, class_="mono") if given else None),
            ]
        ),
        tag("pre", f"{failed.step}: {failed.error}") if failed else None,
        tag("div", metrics_table(metrics, detail.judgement), style="margin:14px 0") if metrics else None,
        _gantt(detail.steps, detail.view.run.started),
    )


def steps_html(steps: Sequence[StepResult], *, began: datetime) -> str:
    from noria.app.pages.style import snippet

    return snippet(_gantt(steps, began))


def step_html(run: str, step: StepResult) -> str:
    from noria.app.pages.html import tag
    from noria.app.pages.style import snippet
    from noria.app.pages.tables import facts, shown, table

    rows = [
        (name, made.type or made.codec, f"{made.rows:,}" if made.rows is not None else "", size(made.size))
        for name, made in step.outputs.items()
    ]
    given = [tag("div", f"{name} = {shown(value)}") for name, value in step.fingerprint.parameters.items()]
    return snippet(
        tag(
            "div",
            tag("b", step.step, style="font-size:17px"),
            tag("span", f"{step.role} of {run}", class_="soft"),
            class_="head",
        ),
        facts(
            [
                ("Why", _reason(step)),
                ("Took", span(step.seconds)),
                ("Read", ", ".join(step.fingerprint.inputs)),
                ("Parameters", tag("div", given, class_="mono") if given else None),
                ("On", step.where),
            ]
        ),
        tag("div", table(("output", "type", "rows", "size"), rows), style="margin:14px 0") if rows else None,
        [tag("p", note, class_="soft") for note in step.notes],
    )


def series_html(run: str, frame: pl.DataFrame) -> str:
    from noria.app.pages.html import tag
    from noria.app.pages.lines import line_chart
    from noria.app.pages.style import snippet
    from noria.app.series import charts_of

    charts = charts_of(frame)
    if not charts:
        return snippet(tag("p", f"{run} has logged nothing.", class_="soft"))
    return snippet(tag("div", map(line_chart, charts), class_="charts"))


def versions_html(view: ModelView) -> str:
    from noria.app.pages.html import tag
    from noria.app.pages.style import snippet
    from noria.app.pages.tables import table

    shown = view.versions[:20]
    if not shown:
        return snippet(tag("p", f"No version of {view.name} yet.", class_="soft"))
    metrics = _named(one.version.metrics for one in shown)[:METRICS]
    rows = [
        (
            tag("td", tag("b", one.name), class_="nowrap"),
            tag("td", [tag("span", alias, class_="badge good") for alias in one.aliases]),
            tag("td", _verdict(one)),
            tag("td", when(one.version.as_of), class_="nowrap"),
            f"{one.version.model}/{one.version.run}",
            *(_figure(one.version.metrics.get(name)) for name in metrics),
        )
        for one in shown
    ]
    more = len(view.versions) - len(shown)
    told = tag("p", f"and {more:,} more; .table() has all", class_="soft legend") if more else None
    return snippet(table(("version", "aliases", "gates", "as of", "run", *metrics), rows), told)


def version_html(detail: VersionDetail) -> str:
    from noria.app.pages.html import tag
    from noria.app.pages.metrics import metrics_table, verdicts
    from noria.app.pages.style import snippet
    from noria.app.pages.tables import facts, table

    view, version = detail.view, detail.view.version
    aliases = [tag("span", alias, class_="badge good") for alias in view.aliases]
    request = [
        (column.name, column.type, "yes" if column.nulls else "no") for column in version.signature.request
    ]
    return snippet(
        tag("div", tag("b", version.name, style="font-size:17px"), aliases, class_="head"),
        facts(
            [
                ("As of", when(version.as_of)),
                ("Run", f"{version.model}/{version.run}"),
                ("Commit", tag("span", version.source.commit[:9], class_="mono")),
                ("Trained on", count(version.data.rows, "row")),
                ("Answers", ", ".join(f"{column.name} {column.type}" for column in version.signature.answer)),
            ]
        ),
        tag("div", metrics_table(version.metrics, view.judgement, whose=version.name), style="margin:14px 0")
        if version.metrics
        else None,
        verdicts(view.judgement) if view.judgement else None,
        tag(
            "details",
            tag("summary", f"takes {count(len(request), 'column')}"),
            table(("column", "type", "nulls"), request),
        ),
    )


def comparison_html(found: Comparison, charts: Sequence[Chart]) -> str:
    from noria.app.pages.compare import comparison_parts
    from noria.app.pages.style import snippet

    return snippet(*comparison_parts(found, charts))


def page_html(document: str, *, title: str) -> str:
    """A whole document in a cell, in a frame of its own."""
    from noria.app.pages.html import Html, tag
    from noria.app.pages.style import frame

    style = Html(
        f"<style>.noria-page iframe{{width:100%;height:{FRAME}px;border:1px solid rgba(128,136,144,.35);border-radius:6px}}</style>"
    )
    return tag("div", style, frame(document, title=title), class_="noria-page")


def _gantt(steps: Sequence[StepResult], began: datetime) -> Html | None:
    from noria.app.pages.gantt import gantt

    ran = [step.started for step in steps if isinstance(step.reason, Ran)]
    return gantt(steps, began=min(ran, default=began)) if steps else None


def _figure(value: float | None) -> Html:
    from noria.app.pages.html import tag

    return tag("td", "" if value is None else figure(value), class_="num")


def _verdict(view: VersionView) -> Html:
    from noria.app.pages.html import tag

    said = _passed(view)
    return tag(
        "span", said, class_=f"badge {'good' if said == 'passed' else 'soft' if said == 'none' else 'wait'}"
    )


def _passed(view: VersionView) -> str:
    if view.judgement is None or not view.judgement.verdicts:
        return "none"
    return "passed" if view.judgement.passed else "not passed"


def _took(view: RunView) -> list[str]:
    return [span(view.finished - view.run.started)] if view.finished else []


def _came(view: RunView) -> list[str]:
    """A version, the metrics; what failed."""
    if isinstance(view.outcome, Failed):
        return [f"{view.outcome.step}: {view.outcome.error.partition(chr(10))[0][:NOTED]}"]
    made = getattr(view.outcome, "version", None)
    metrics = [f"{name} {figure(value)}" for name, value in list(_metrics(view).items())[:METRICS]]
    return [*([f"{view.run.asked.model}:{made}"] if made else []), *metrics]


def _metrics(view: RunView) -> dict[str, float]:
    return view.outcome.metrics if isinstance(view.outcome, Succeeded) else {}


def _named(given: Iterable[dict[str, float]]) -> list[str]:
    return list({name: None for values in given for name in values})


def _reason(step: StepResult) -> str:
    return f"ran: {step.reason.why}" if isinstance(step.reason, Ran) else f"reused from {step.reason.run}"


def _artifact(name: str, made: Artifact) -> str:
    rows = f", {made.rows:,} rows" if made.rows is not None else ""
    return f"{name} {made.type or made.codec}{rows}"
