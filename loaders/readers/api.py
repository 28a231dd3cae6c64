"""A web API read by dlt's rest_api, with manners, bounds, and doubts about what is no page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final

from dlt.extract.items_transform import BaseItemTransform, ItemTransform
from dlt.sources.rest_api import rest_api_resources
from dlt.sources.rest_api.config_setup import create_paginator

from loaders.columns import FORMAT, columns, named
from loaders.cursor import EPOCH, as_iso
from loaders.dispositions import REPLACE_KEYS
from loaders.errors import LoaderError, SourceUnreachable
from loaders.gate import origin
from loaders.readers.bounded import MOST_PAGES, Bounded
from loaders.readers.session import Manners, PoliteSession
from loaders.shape import SINCE_1970

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dlt.extract import DltResource

MICROSECONDS: Final = 1_000_000


def api_resources(
    config: Mapping[str, Any], manners: Manners | None = None, *, most_pages: int = MOST_PAGES
) -> list[DltResource]:
    """Return the resources of an API, from what dlt's `rest_api_resources` takes.

    Each endpoint, or the client, has to name a `paginator`; where an answer is not the list of its
    rows itself, `data_selector` tells where they are. An answer that has nothing there is an error;
    `items[*]` takes it for an empty page. `incremental` needs no more than a `cursor_path` that is
    declared as a timestamp: it begins in 1970, and asks in the way that the column is written.
    A resource has a `primary_key`, and a row takes the place of the one with its key, unless
    `write_disposition` says otherwise; columns that are not declared arrive as text.

    Args:
        config: client, resources and resource_defaults.
        manners: how the API may be asked.
        most_pages: more than a list can ever have.

    Raises:
        LoaderError: an endpoint has no paginator, a resource no key, or a cursor no type.
    """
    client = {"session": PoliteSession(manners), **config["client"]}
    defaults = dict(config.get("resource_defaults") or {})
    shared = {"paginator": client.pop("paginator", None), **_endpoint(defaults)}
    shared_steps = defaults.pop("processing_steps", ())
    steps: dict[str, Any] = {}
    resources: list[Any] = []
    for given in config["resources"]:
        one = {"name": given} if isinstance(given, str) else given
        if isinstance(one, dict):
            one = _kept(one, defaults)
            one["endpoint"] = _bounded({**defaults, **one}, shared, most_pages)
            steps[one["name"]] = one.pop("processing_steps", shared_steps)
        resources.append(one)
    whole: Any = {"client": client, "resources": resources, "resource_defaults": defaults}
    made = rest_api_resources(whole)
    for resource in made:
        if steps.get(resource.name):
            resource.add_step(Steps(steps[resource.name]))
    return made


def _endpoint(resource: Mapping[str, Any]) -> dict[str, Any]:
    found = resource.get("endpoint", {})
    return {"path": found} if isinstance(found, str) else dict(found)


def _kept(resource: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource whose rows are merged by their key, and are judged: dlt would append them.

    Raises:
        LoaderError: it tells neither its key nor what else becomes of its rows.
    """
    given = {**defaults, **resource}
    key = given.get("primary_key") or ()
    found = dict(resource)
    if not key and ("write_disposition" not in given or not given.get("columns")):
        raise LoaderError(
            f"The resource '{resource['name']}' has no primary_key. Name the column, or the list "
            "of columns, that tells its rows apart; or, for a list that is replaced as a whole by "
            'each load, say "write_disposition": "replace" and declare its columns.'
        )
    if "write_disposition" not in given:
        found["write_disposition"] = REPLACE_KEYS
    if not given.get("columns"):
        found["columns"] = columns(**dict.fromkeys([key] if isinstance(key, str) else key, "text"))
    return found


def _bounded(
    resource: Mapping[str, Any], shared: Mapping[str, Any], most_pages: int
) -> dict[str, Any]:
    """Return the endpoint of a resource, whose pages are looked at."""
    own = _endpoint(resource)
    endpoint = {"data_selector": "", **shared, **own}
    pages = endpoint["paginator"]
    if not isinstance(pages, Bounded):
        if (inner := create_paginator(pages)) is None:
            raise LoaderError(
                f"The resource '{resource['name']}' has no paginator. Name the one that its API "
                'has, or "single_page" where one answer holds all.'
            )
        pages = Bounded(inner, most_pages, endpoint["data_selector"])
    if "incremental" in endpoint:
        own["incremental"] = _incremental(resource, endpoint["incremental"])
    if "params" in endpoint:
        own["params"] = {
            name: {**value, **_incremental(resource, value)} if _is_cursor(value) else value
            for name, value in endpoint["params"].items()
        }
    return {**own, "data_selector": endpoint["data_selector"] or "$", "paginator": pages}


def _is_cursor(param: Any) -> bool:
    return isinstance(param, dict) and param.get("type") == "incremental"


def _incremental(resource: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return how an endpoint is asked for what is new, by the time that its rows are declared with.

    dlt compares what it begins with to what arrives, so both have to be times.

    Raises:
        LoaderError: the cursor is no declared column, or there is nothing to begin with.
    """
    hint = (resource.get("columns") or {}).get(named(given["cursor_path"]), {})
    is_time = hint.get("data_type") == "timestamp"
    if not is_time and (not hint or given.get("initial_value") is None):
        raise LoaderError(
            f"The resource '{resource['name']}' cannot be read by '{given['cursor_path']}': it is "
            "not declared as a timestamp. Declare it so in its `columns`; a cursor of another type "
            "is declared, too, and needs an `initial_value`."
        )
    if not is_time:
        return dict(given)
    unit = SINCE_1970.get(hint.get(FORMAT, ""), 0)
    begin = given.get("initial_value") or EPOCH
    if isinstance(begin, str):
        begin = datetime.fromisoformat(begin)
        begin = begin if begin.tzinfo else begin.replace(tzinfo=UTC)
    elif isinstance(begin, int | float):
        begin = datetime.fromtimestamp(begin * unit / MICROSECONDS, UTC)
    asked = (lambda moment: round(moment.timestamp() * MICROSECONDS) // unit) if unit else as_iso
    return {"convert": asked, **given, "initial_value": begin}


class Page(list[dict[str, Any]]):
    """Rows of one page, which know the address they come from."""

    def __init__(self, rows: list[dict[str, Any]], origin: str) -> None:
        super().__init__(rows)
        self.origin = origin


class Steps(ItemTransform[Any, Any]):
    """The processing steps of a resource, a page at a time, which keeps the page's address."""

    placement_affinity: ClassVar[float] = 0.5

    def __init__(self, steps: Sequence[Mapping[str, Any]]) -> None:
        BaseItemTransform.__init__(self)
        self.steps = steps

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return the page with its rows filtered, changed, or taken apart."""
        if meta is not None:
            return item
        rows = item if isinstance(item, list) else [item]
        for step in self.steps:
            ((kind, call),) = step.items()
            if kind == "filter":
                rows = [row for row in rows if call(row)]
            elif kind == "map":
                rows = [call(row) for row in rows]
            else:
                rows = [new for row in rows for new in call(row)]
        return Page(rows, origin(item))


def in_rows(columns: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of arrays that stand side by side, `{"time": […], "rain": […]}`.

    Raises:
        SourceUnreachable: the arrays differ in length.
    """
    arrays = {name: found for name, found in columns.items() if isinstance(found, list)}
    if len(set(map(len, arrays.values()))) > 1:
        told = ", ".join(f"{name} {len(found)}" for name, found in arrays.items())
        raise SourceUnreachable(f"Arrays that should stand side by side differ in length: {told}.")
    for values in zip(*arrays.values(), strict=True):
        yield dict(zip(arrays, values, strict=True))
