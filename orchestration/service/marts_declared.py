"""How the marts' routes are told in the OpenAPI document: parameters and rows, from the yml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from orchestration.service.catalog import RESERVED
from orchestration.service.query import DEFAULT_PAGE, LARGEST_PAGE, LAST_PAGE, operators

if TYPE_CHECKING:
    from orchestration.service.catalog import Column, Mart

TYPES: Final[dict[str, dict[str, Any]]] = {
    "integer": {"type": "integer", "minimum": -(2**63) + 1, "maximum": 2**63 - 1},
    "decimal": {"type": "number"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "timestamp": {"type": "string", "format": "date-time"},
    "text": {"type": "string"},
}


def paging() -> list[dict[str, Any]]:
    """Return the parameters that choose a page."""
    return [
        _parameter("page", "Which page.", _whole(LAST_PAGE, 1)),
        _parameter("page_size", "Rows in a page.", _whole(LARGEST_PAGE, DEFAULT_PAGE)),
        _parameter(
            "cursor",
            "In place of page: empty to begin, then next_cursor of the page before. Neither "
            "doubles nor leaves out a row that is there all the while, whatever is published.",
            {"type": "string"},
        ),
    ]


def sorting(mart: Mart) -> dict[str, Any]:
    """Return the parameter that sorts."""
    names = [column.name for column in mart.columns]
    term = f"-?({'|'.join(names)})"
    return _parameter(
        "sort",
        f"Columns, separated by commas; - in front turns one round. Of {', '.join(names)}.",
        {"type": "string", "pattern": f"^({term}(,{term})*)?$"},
    )


def filtering(mart: Mart) -> list[dict[str, Any]]:
    """Return the parameters that filter."""
    return [
        parameter
        for column in mart.columns
        if column.name not in RESERVED
        for parameter in _filters(column)
    ]


def _filters(column: Column) -> list[dict[str, Any]]:
    found = [_parameter(column.name, column.description, TYPES[column.kind])]
    for operator in operators(column):
        schema = TYPES[column.kind]
        if operator == "null":
            schema = TYPES["boolean"]
        if operator == "in":
            schema = {"type": "string", "description": "Values separated by commas."}
        found.append(_parameter(f"{column.name}.{operator}", "", schema))
    return found


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _whole(most: int, default: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "default": default}


def page_schema(mart: Mart) -> dict[str, Any]:
    """Return the schema of a page."""
    row = {
        "title": mart.name,
        "type": "object",
        "required": [column.name for column in mart.columns],
        "properties": {column.name: _value(column) for column in mart.columns},
    }
    return {
        "title": f"Page of {mart.name}",
        "type": "object",
        "required": ["items", "page_size", "has_next", "next_cursor"],
        "properties": {
            "items": {"type": "array", "items": row},
            "page": {"type": "integer"},
            "page_size": {"type": "integer"},
            "total": {"type": "integer", "description": "Rows that fit, on all pages."},
            "has_next": {"type": "boolean"},
            "has_prev": {"type": "boolean"},
            "next_cursor": {"type": ["string", "null"]},
        },
    }


def _value(column: Column) -> dict[str, Any]:
    schema = {"type": TYPES[column.kind]["type"], "description": column.description}
    if "format" in TYPES[column.kind]:
        schema["format"] = TYPES[column.kind]["format"]
    if column.is_nullable:
        schema["type"] = [schema["type"], "null"]
    return schema
