"""A run's figures beside the champion's, with what the gates said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from noria.app.pages.html import Html, tag
from noria.app.pages.tables import table
from noria.app.pages.words import figure, when
from noria.records.gates import Judgement, Verdict
from noria.records.versions import Version

AGAINST = " against "  # what a gate that compares is called: `log_loss against champion`
GROUNDS = {"pass": "good", "fail": "bad", "undecided": "wait"}


def metrics_table(
    metrics: Mapping[str, float],
    judgement: Judgement | None,
    champion: Version | None = None,
    *,
    whose: str = "this run",
) -> Html:
    """A line a metric; columns for what there is."""
    said: dict[str, list[Verdict]] = {}
    for verdict in judgement.verdicts if judgement else ():
        said.setdefault(verdict.gate.partition(AGAINST)[0], []).append(verdict)
    head = ["metric", whose]
    head += [champion.name, "difference"] if champion else []
    head += ["gate"] if said else []
    return table(head, [_line(name, value, said, champion) for name, value in metrics.items()])


def verdicts(judgement: Judgement) -> Iterator[Html]:
    """Each gate's sentence."""
    against = f" against {judgement.model}:{judgement.champion}" if judgement.champion else ""
    if not judgement.verdicts:
        yield tag("p", "No gates: nothing was asked of this version.", class_="soft")
        return
    yield tag("h3", f"Gates{against}, {when(judgement.judged)}")
    rows = [
        (verdict_badge(verdict), tag("td", tag("b", verdict.gate)), verdict.why)
        for verdict in judgement.verdicts
    ]
    lines = [tag("tr", tag("td", mark), name, tag("td", why)) for mark, name, why in rows]
    yield tag("div", tag("table", tag("tbody", lines)), class_="wide", tabindex=0)


def verdict_badge(verdict: Verdict) -> Html:
    return tag("span", verdict.outcome, class_=f"badge {GROUNDS[verdict.outcome]}")


def _line(
    name: str, value: float, said: Mapping[str, Sequence[Verdict]], champion: Version | None
) -> list[object]:
    line: list[object] = [tag("td", tag("b", name)), tag("td", figure(value), class_="num")]
    if champion is not None:
        other = champion.metrics.get(name)
        line.append(tag("td", figure(other), class_="num"))
        line.append(tag("td", _apart(value, other), class_="num"))
    if said:
        line.append(tag("td", *map(verdict_badge, said.get(name, ()))))
    return line


def _apart(value: float, other: float | None) -> str:
    if other is None:
        return ""
    return f"{value - other:+.3g}" if value != other else "0"
