"""The server's interface as an OpenAPI document, for people, and for the test that throws random requests at it."""

from __future__ import annotations

from typing import Any

CODES = 1024
"""Most codes, and most points, of one request."""
ROWS = 16
"""Most rows to encode in one request."""

Schema = dict[str, Any]


def openapi(latent: int, features: int, beside: int, gaps: bool = False) -> Schema:
    """The document for a model with codes of `latent` and rows of `features` numbers, and `beside` classes.

    gaps: null may stand for a value of a row.
    """
    codes = _body(codes=_matrix(latent, CODES, 1e6))
    if beside:
        label = {"type": "integer", "minimum": -1, "maximum": beside - 1}
        codes["properties"] |= {"labels": {"type": "array", "items": label, "minItems": 1, "maxItems": CODES}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aae explorer",
            "version": "1",
            "description": "Arrays come back packed: 'AAEP', length of the header (uint32, little-endian), header as "
            "JSON {name: [kind, shape, offset]}, arrays.",
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": {
            "/api/meta": {"get": _operation("What the page needs beside arrays", _json())},
            "/api/points": {"get": _operation("Codes and labels of every point", _binary(), _waiting())},
            "/api/columns/{index}": {
                "parameters": [_index()],
                "get": _operation("What points can be coloured by", _binary(), _waiting(), _failed("404")),
            },
            "/api/figures/{index}": {
                "parameters": [_index()],
                "get": _operation("A figure of the report", _picture(), _failed("404")),
            },
            "/api/decode": {"post": _operation("Codes to rows", _binary(), body=codes)},
            "/api/encode": {
                "post": _operation("Rows to codes", _binary(), body=_body(rows=_matrix(features, ROWS, 1e30, gaps)))
            },
            "/api/rows": {"post": _operation("The data behind points", _binary(), body=_body(points=_points()))},
            "/api/live": {"get": _operation("How training stands", _json(), _failed("404"))},
            "/api/live/command": {"post": _operation("Steer training", _waiting(), _failed("404"), body=_command())},
        },
    }


def _operation(summary: str, *answers: Schema, body: Schema | None = None) -> Schema:
    found: Schema = {"summary": summary, "responses": {}}
    for answer in (*answers, _failed("403")):
        found["responses"] |= answer
    if body is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
        for status in ("400", "413", "415", "422"):
            found["responses"] |= _failed(status)
    return found


def _json() -> Schema:
    return {"200": {"description": "done", "content": {"application/json": {"schema": {"type": "object"}}}}}


def _binary() -> Schema:
    return {"200": {"description": "packed arrays", "content": {"application/octet-stream": {}}}}


def _picture() -> Schema:
    return {"200": {"description": "a picture", "content": {"image/png": {}, "image/gif": {}}}}


def _waiting() -> Schema:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {"202": {"description": "taken, or not ready yet", "content": content}}


def _failed(status: str) -> Schema:
    schema = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    return {status: {"description": "what was wrong", "content": {"application/json": {"schema": schema}}}}


def _index() -> Schema:
    return {"name": "index", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}


def _body(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _matrix(width: int, most: int, limit: float, gaps: bool = False) -> Schema:
    number: Schema = {"type": ["number", "null"] if gaps else "number", "minimum": -limit, "maximum": limit}
    row = {"type": "array", "items": number, "minItems": width, "maxItems": width}
    return {"type": "array", "items": row, "minItems": 1, "maxItems": most}


def _points() -> Schema:
    return {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": CODES}


def _command() -> Schema:
    body = _body(
        command={"enum": ["pause", "resume", "save", "stop", "learning_rate"]},
        phase={"type": "string"},
        learning_rate={"type": "number", "exclusiveMinimum": 0, "maximum": 10},
    )
    return body | {"required": ["command"]}
