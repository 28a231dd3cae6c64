"""What dlt does some twenty times in a load and needs to do once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from dlt.common import jsonpath, validation
from dlt.common.storages.live_schema_storage import LiveSchemaStorage

if TYPE_CHECKING:
    from dlt import Pipeline, Schema

_jsonpath: Any = jsonpath
_validation: Any = validation
_hints_of = _validation.get_type_hints
_KNOWN_HINTS: Final[dict[Any, Any]] = {}


def _hints(spec: Any, globalns: Any) -> Any:
    """Return what a typed dictionary of dlt's may hold, which its class alone tells."""
    if spec not in _KNOWN_HINTS:
        _KNOWN_HINTS[spec] = _hints_of(spec, globalns=globalns)
    return _KNOWN_HINTS[spec]


# Of each table dlt looks that up some ten times, and parses the cursor's name as a path four times.
_validation.get_type_hints = _hints
_jsonpath._parse = lru_cache(maxsize=1_000)(_jsonpath._parse)  # noqa: SLF001


class Resolved:
    """Mixin of a dlt destination: what was resolved before is given again."""

    def configuration(self, initial_config: Any, accept_partial: bool = False) -> Any:
        """Return the resolved configuration for an initial one."""
        given = sorted((key, str(value)) for key, value in (initial_config or {}).items())
        return self._once(
            (type(initial_config), str(given), accept_partial),
            lambda: super(Resolved, self).configuration(  # type: ignore[misc]
                initial_config, accept_partial
            ),
        )

    def capabilities(self, config: Any = None, naming: Any = None) -> Any:
        """Return what the destination can do, which depends on its configuration and naming."""
        make = super().capabilities  # type: ignore[misc]
        if config is not None:
            return make(config, naming)
        key = (type(naming), getattr(naming, "max_length", None))
        return self._once(key, lambda: make(config, naming)).copy()

    def _once(self, key: Any, make: Any) -> Any:
        known = self.__dict__.setdefault("_resolved_once", {})
        if key not in known:
            known[key] = make()
        return known[key]


class KeptSchemas(LiveSchemaStorage):
    """A pipeline's schemas, each read from its file once: nobody else writes them meanwhile."""

    def __getitem__(self, name: str) -> Schema:
        """Return a schema."""
        return self.live_schemas.get(name) or super().__getitem__(name)


def keep_schemas(pipeline: Pipeline) -> Pipeline:
    """Have a pipeline read its schemas once, and return it."""
    pipeline._schema_storage.__class__ = KeptSchemas  # noqa: SLF001 - dlt has no setting for it
    return pipeline
