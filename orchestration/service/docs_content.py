"""The OpenAPI document arranged for a page of our own: nothing comes from another host."""

from __future__ import annotations

from typing import Any


def tags(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the operations by their tag, in the document's order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            found.setdefault(tag, []).append(_operation(path, method, operation))
    return [{"name": name, "operations": operations} for name, operations in found.items()]


def _operation(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation.get("operationId", ""),
        "method": method.upper(),
        "path": path,
        "description": operation.get("description", ""),
        "parameters": [_parameter(entry) for entry in operation.get("parameters", ())],
        "body": list(body),
        "responses": [
            {
                "status": status,
                "description": response.get("description", ""),
                "kinds": list(response.get("content", {})),
            }
            for status, response in operation["responses"].items()
        ],
    }


def _parameter(entry: dict[str, Any]) -> dict[str, Any]:
    schema = entry.get("schema", {})
    return {
        "name": entry["name"],
        "place": entry["in"],
        "kind": _kind(schema),
        "description": entry.get("description", ""),
        "is_required": entry.get("required", False),
    }


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return str(schema.get("format") or schema.get("type") or "")
