"""A version as text: what it is, what was decided about it, and where it came from."""

from __future__ import annotations

from noria.app.read import VersionDetail
from noria.cli.drill_rate import rate_line
from noria.cli.proved import sameness
from noria.cli.render import fields, figure, paint, pinned, size, span, table, when
from noria.cli.show_run import (
    data_line,
    environment_line,
    judgement_lines,
    listed,
    metric_lines,
    shown,
    source_lines,
)
from noria.records.base import short
from noria.records.fast import FastPath
from noria.records.proofs import Proof
from noria.records.versions import RequestColumn, ServingGraph, Signature, Version

LEVEL = 24  # characters of a category that the table of columns shows: it may be a whole text


def version_lines(detail: VersionDetail) -> list[str]:
    version = detail.view.version
    aliases = (
        f"  {paint(', '.join('@' + alias for alias in detail.view.aliases), 'green')}"
        if detail.view.aliases
        else ""
    )
    return [
        f"{paint(version.name, 'bold')}{aliases}",
        *_gone(detail),
        *_lineage(detail),
        "",
        *_signature(version.signature),
        "",
        *_graph(version.graph),
        *_fast(version.fast),
        *(["", paint("metrics", "bold"), *metric_lines(version.metrics)] if version.metrics else []),
        *_quality(version),
        *_judgements(detail),
        *_proof(detail.proof),
        *_moves(detail),
    ]


def _gone(detail: VersionDetail) -> list[str]:
    gone = detail.gone
    if gone is None:
        return []
    said = f"its artifacts are gone: noria gc gave them up at {when(gone.at)}, when it kept {gone.policy}"
    return [paint(said, "yellow")]


def _lineage(detail: VersionDetail) -> list[str]:
    version = detail.view.version
    trigger = detail.run.run.asked.trigger if detail.run else None
    asked = f", asked for by {trigger.kind} {trigger.cause}".rstrip() if trigger else ""
    return fields(
        [
            ("created", when(version.created)),
            ("as of", when(version.as_of)),
            ("run", f"{version.model}/{version.run}{asked}"),
            *source_lines(version.source),
            ("data", f"{version.graph.data}: {data_line(version.data)}"),
            ("read", "\n".join(map(pinned, version.data.sources))),
            ("environment", environment_line(version.environment)),
            ("label", version.label and f"{version.label}, known {_delay(version)}"),
        ]
    )


def _delay(version: Version) -> str:
    return (
        "when asked"
        if version.label_delay is None
        else f"within {span(version.label_delay)} for 99 % of the rows"
    )


def _signature(signature: Signature) -> list[str]:
    marks = dict.fromkeys(signature.key, "key") | ({signature.time: "time"} if signature.time else {})
    if signature.unit:
        marks[signature.unit] = marks.get(signature.unit, "unit")
    rows = [
        (
            column.name,
            column.type,
            "yes" if column.nulls else "no",
            marks.get(column.name, ""),
            levels(column),
        )
        for column in signature.request
    ]
    answer = ", ".join(f"{column.name}: {column.type}" for column in signature.answer)
    return [
        f"{paint('request', 'bold')}  unknown categories: {signature.unknown}",
        *table(("column", "type", "nulls", "role", "seen"), rows, indent=2),
        f"{paint('answer', 'bold')}   {answer} ({signature.answer_kind})",
    ]


def levels(column: RequestColumn) -> str:
    """The categories that training had, the first of them."""
    if column.levels is None:
        return ""
    text = ", ".join(_cut(level) for level in column.levels[:6])
    return f"{text}, ... ({len(column.levels)})" if len(column.levels) > 6 else text


def _cut(level: str) -> str:
    return level if len(level) <= LEVEL else level[: LEVEL - 3] + "..."


def _graph(graph: ServingGraph) -> list[str]:
    chain = " -> ".join((graph.data, *graph.transforms, graph.predict))
    frozen = [(name, made.codec, size(made.size), short(made.digest)) for name, made in graph.frozen.items()]
    given = [
        f"{step}.{name} = {shown(value)}"
        for step, part in graph.parameters.items()
        for name, value in part.items()
    ]
    return [
        f"{paint('serving graph', 'bold')}  {chain}  ({graph.pipeline})",
        *(table(("frozen", "codec", "size", "digest"), frozen, indent=2) if frozen else []),
        *fields([("parameters", listed(given))]),
    ]


def _fast(fast: FastPath | None) -> list[str]:
    """How it is served, what was compared to know that, and why it is no faster."""
    if fast is None:
        return []
    held = "bit-equal" if not fast.tolerance else f"within {fast.tolerance:g}"
    found = [*fast.libraries, f"{fast.compared:,} parity rows", held] if fast.compared else []
    known = f" ({', '.join(found)})" if found else ""
    return [f"{paint('serves', 'bold')}  {fast.level}{known}", *fields([("why not faster", fast.why)])]


def _quality(version: Version) -> list[str]:
    quality = version.quality
    if quality is None:
        return []
    low, high = quality.range
    clipped = f", {quality.clipped:,} clipped" if quality.clipped else ""
    loss = f"{quality.loss} {figure(quality.mean)} on {quality.rows:,} holdout rows, range {low:g} .. {high:g}{clipped}"
    return ["", f"{paint('quality', 'bold')}  {loss}"]


def _judgements(detail: VersionDetail) -> list[str]:
    lines = [line for judgement in detail.judgements for line in ("", *judgement_lines(judgement))]
    drilled = f"  drilled {when(detail.drill.at)}: {rate_line(detail.drill)}" if detail.drill else ""
    return [*lines, *([drilled] if drilled else [])]


def _proof(proof: Proof | None) -> list[str]:
    if proof is None:
        return []
    by = f", {proof.diverged} diverged first ({', '.join(proof.causes)})" if proof.diverged else ""
    return [
        "",
        f"{paint('proof', 'bold')}  rebuilt at {when(proof.at)}: {sameness(proof)}{by}",
        f"  {proof.why}",
    ]


def _moves(detail: VersionDetail) -> list[str]:
    if not detail.moves:
        return []
    number = detail.view.version.number
    rows = [
        (
            when(moved.at),
            moved.move.alias,
            "came" if moved.move.after == number else "left",
            moved.move.by,
            moved.move.why,
        )
        for moved in detail.moves
    ]
    return ["", paint("aliases", "bold"), *table(("at", "alias", "move", "by", "why"), rows, indent=2)]
