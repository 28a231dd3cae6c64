"""A dlt destination that resolves its configuration once for a load, not some twenty times."""

from __future__ import annotations

from typing import Any


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
