"""The page for machines that says what this service takes: OpenAPI 3.1, with the true signature of the version that answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import noria
from noria.records.versions import RequestColumn, Signature
from noria.serving import bulk, pages
from noria.serving.messages import ARROW, JSON, PROBLEM
from noria.serving.paths import MODELS
from noria.serving.protocol import ARROW as DATATYPES
from noria.serving.quick import INTEGER_RANGES

if TYPE_CHECKING:
    from noria.serving.served import Served

HTML = "text/html; charset=utf-8"
_ZONED = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2})?(\.\d{1,9})?([Zz]|[+-]\d{2}:?\d{2})$"
_LOCAL = r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2})?(\.\d{1,9})?$"
_LIST = re.compile(r"(?:fixed_size_list<(?:item: )?(.+)>\[(\d+)\]|(?:large_)?list<(?:item: )?(.+)>)")

Schema = dict[str, Any]

_BY_NAME: Schema = {
    "parameters": [
        {
            "name": "x-noria-version",
            "in": "header",
            "description": "A loaded version, by number or alias, that alone is to answer",
            "schema": {"type": "string"},
        }
    ]
}
_PLAIN: dict[str, Schema] = {
    "double": {"type": "number"},
    "float": {"type": "number", "minimum": -3.4e38, "maximum": 3.4e38},
    "halffloat": {"type": "number", "minimum": -65504, "maximum": 65504},
    "bool": {"type": "boolean"},
    "date32[day]": {"type": "string", "format": "date"},
    "binary": {"type": "string", "contentEncoding": "base64"},
}


def page(served: Served, *, follows: str, several: bool = False) -> Schema:
    """The whole page. `several`: the service has other models, too."""
    model, version = served.version.model, served.version
    v1, v2 = f"/v1/models/{model}", f"/v2/models/{model}"
    unloaded = "Let it go, until it is asked again" if several else "Refused: a service has one model"
    own = v1 if several else ""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{model}@{follows}",
            "version": version.name,
            "description": f"{version.name}, served by Noria {noria.__version__}.",
        },
        "paths": {
            f"{v1}/predict": {"post": _predict(served)},
            f"{v1}/feedback": {"post": _feedback(served)},
            v1: {"get": _get("What this model takes, with an example")},
            f"{v2}/infer": {"post": _infer(served)},
            f"{v2}/versions/{version.number}/infer": {"post": _infer(served, by_name=False)},
            v2: {"get": _get("The model's tensors", protocol=True)},
            f"{v2}/ready": {"get": _get("Whether the model answers", protocol=True)},
            "/v2": {"get": _get("The server", protocol=True)},
            "/v2/health/live": {"get": _get("Whether the process lives", protocol=True)},
            "/v2/health/ready": {"get": _get("Whether it answers", protocol=True)},
            "/v2/repository/index": {"post": _index()},
            f"/v2/repository/models/{model}/load": {"post": _changed("Let what is followed answer, now")},
            f"/v2/repository/models/{model}/unload": {"post": _changed(unloaded)},
            "/metrics": {"get": _get("For Prometheus", kind="text/plain")},
            f"{own}/openapi.json": {"get": _get("This page")},
            f"{own}/docs": {"get": _get("The same for people", kind="text/html")},
            **({MODELS: {"get": _models()}} if several else {}),
        },
        "components": {
            "schemas": {"Row": row(version.signature), "Problem": _problem(), "Error": _error()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def row(signature: Signature) -> Schema:
    """A row of a request."""
    return {
        "type": "object",
        "properties": {column.name: of_column(column, signature) for column in signature.request},
        "required": [column.name for column in signature.request],
        "additionalProperties": False,
    }


def of_column(column: RequestColumn, signature: Signature) -> Schema:
    """A column's values: the categories where others are refused, null where it is taken."""
    schema = _of_type(column.type)
    refuses = signature.unknown == "refuse"
    if column.levels is not None and refuses:
        schema["enum"] = list(column.levels)
    if column.name in signature.key or (refuses and not column.nulls):
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def _of_type(kind: str) -> Schema:
    if listed := _LIST.fullmatch(kind):
        made: Schema = {
            "type": "array",
            "items": {"anyOf": [_of_type(listed[1] or listed[3]), {"type": "null"}]},
        }
        return made | ({"minItems": int(listed[2]), "maxItems": int(listed[2])} if listed[2] else {})
    if kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind]
        return {"type": "integer", "minimum": low, "maximum": high}
    if kind.startswith("timestamp"):
        return {"type": "string", "pattern": _ZONED if "tz=" in kind else _LOCAL}
    return dict(_PLAIN.get(kind, {"type": "string"}))


def _predict(served: Served) -> Schema:
    one = {"$ref": "#/components/schemas/Row"}
    many = {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": one, "minItems": 1}},
        "required": ["rows"],
        "additionalProperties": False,
    }
    example = {"rows": [pages.example(served)]}
    bodies = {
        JSON: {"schema": {"anyOf": [many, one]}, "example": example},
        bulk.LINES: {"schema": one},
        ARROW: {"schema": {}},
    }
    answers = {
        "type": "object",
        "properties": {
            "model": {"const": served.version.model},
            "version": {"type": "integer"},
            "predictions": {"type": "array", "items": {"type": "object", "required": ["id", "answer"]}},
        },
        "required": ["model", "version", "predictions"],
    }
    answered = {JSON: {"schema": answers}, bulk.LINES: {"schema": {}}, ARROW: {"schema": {}}}
    return _operation("Answers to rows", bodies, answered) | _BY_NAME


def _infer(served: Served, *, by_name: bool = True) -> Schema:
    tensor = {
        "type": "object",
        "properties": {
            "name": {"enum": [column.name for column in served.version.signature.request]},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            "datatype": {"enum": sorted(DATATYPES)},
            "data": {"type": "array"},
            "parameters": {"type": "object"},
        },
        "required": ["name", "shape", "datatype"],
    }
    schema = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        },
        "required": ["inputs"],
    }
    answers = {"type": "object", "required": ["model_name", "model_version", "outputs"]}
    return _operation(
        "Answers to tensors",
        {JSON: {"schema": schema, "example": {"inputs": pages.example_tensors(served)}}},
        {JSON: {"schema": answers}},
        protocol=True,
    ) | (_BY_NAME if by_name else {})


def _feedback(served: Served) -> Schema:
    item = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "key": {},
            "label": {},
            "known": {"type": "string"},
            "correction": {"type": "boolean"},
        },
        "required": ["label"],
        "additionalProperties": False,
    }
    items = {
        "type": "object",
        "properties": {"feedback": {"type": "array", "items": item}},
        "required": ["feedback"],
    }
    return _operation(
        "Labels that arrive later", {JSON: {"schema": items}}, {JSON: {"schema": {"type": "object"}}}
    )


def _index() -> Schema:
    schema = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    entry = {"type": "object", "required": ["name", "version", "state", "reason"]}
    answers = {JSON: {"schema": {"type": "array", "items": entry}}}
    return _operation(
        "The versions of the model", {JSON: {"schema": schema}}, answers, protocol=True, required=False
    )


def _changed(summary: str) -> Schema:
    return _operation(summary, None, {JSON: {"schema": {"type": "object"}}}, protocol=True)


def _get(summary: str, *, protocol: bool = False, kind: str = JSON) -> Schema:
    return _operation(
        summary, None, {kind: {"schema": {"type": "object"} if kind == JSON else {}}}, protocol=protocol
    )


def _models() -> Schema:
    states = {"type": "array", "items": {"type": "object", "required": ["model", "state", "reason"]}}
    return _operation("The models of this service", None, {JSON: {"schema": states}})


def _operation(
    summary: str, bodies: Schema | None, answers: Schema, *, protocol: bool = False, required: bool = True
) -> Schema:
    name, kind = ("Error", JSON) if protocol else ("Problem", PROBLEM)
    wrong = {
        "description": "refused",
        "content": {kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
    statuses = (
        "400",
        "401",
        "403",
        "404",
        "405",
        "406",
        "408",
        "409",
        "413",
        "415",
        "422",
        "500",
        "502",
        "503",
        "504",
    )
    return {
        "summary": summary,
        **({"requestBody": {"required": required, "content": bodies}} if bodies else {}),
        "responses": {
            "200": {"description": "answered", "content": answers},
            **dict.fromkeys(statuses, wrong),
        },
    }


def _problem() -> Schema:
    return {"type": "object", "required": ["code", "detail", "next"]}


def _error() -> Schema:
    return {"type": "object", "required": ["error", "code"]}
