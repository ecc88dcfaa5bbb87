"""The page for people who look at a service in a browser: what it takes, and a request to copy. It needs no network."""

from __future__ import annotations

import json
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}"
    "pre{background:#f4f4f4;padding:1rem;overflow:auto}code{font-size:.95em}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#eee}pre{background:#222}td,th{border-color:#444}}"
)


def html(summary: dict[str, Any], openapi: dict[str, Any]) -> bytes:
    """The page, from what the service says of itself."""
    title = escape(openapi["info"]["title"])
    version = escape(openapi["info"]["version"])
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{title}</title><style>{STYLE}</style><h1>{title}</h1><p>{version} answers.</p>",
        "<h2>Ask it</h2>",
        f"<pre><code>{escape(_curl(summary))}</code></pre>",
        "<h2>What a row holds</h2>",
        _table(
            ["column", "type", "takes"],
            [[each["name"], each["type"], _takes(each)] for each in summary["request"]],
        ),
        "<h2>What it answers</h2>",
        _table(["column", "type"], [[each["name"], each["type"]] for each in summary["answer"]]),
        "<h2>Paths</h2>",
        _table(["", "path", ""], _paths(openapi)),
        "<p><a href=openapi.json>openapi.json</a> has the same for programs.</p></html>",
    ]
    return "\n".join(parts).encode()


def _curl(summary: dict[str, Any]) -> str:
    example = summary["example"]
    body = json.dumps(example["body"], ensure_ascii=False, indent=1, default=str).replace("'", "'\\''")
    return f"curl -s http://HOST:PORT{example['path']} \\\n  -H 'content-type: application/json' -d '{body}'"


def _takes(column: dict[str, Any]) -> str:
    some = column.get("such_as")
    return f"{column['takes']}, such as {', '.join(some[:5])}" if some else str(column["takes"])


def _paths(openapi: dict[str, Any]) -> list[list[str]]:
    return [
        [method.upper(), path, operation["summary"]]
        for path, operations in openapi["paths"].items()
        for method, operation in operations.items()
    ]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(each)}" for each in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{escape(each)}' for each in row)}" for row in rows)
    return f"<table><tr>{head}{lines}</table>"
