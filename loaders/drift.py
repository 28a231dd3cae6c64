"""What becomes of rows in a new shape: the table takes it in, or stops, or they are put aside.

It is set by dlt's own `schema_contract`, of a resource or of a whole source, and kept by gate one:
dlt itself would drop such rows in silence, or fail the whole load.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dlt.common.schema.typing import TSchemaContract, TTableSchemaColumns
    from dlt.extract import DltResource, DltSource

    from loaders.shape import Shape

EVOLVE: Final[TSchemaContract] = {"columns": "evolve"}
"""A new column widens the table, as text, and the load says so."""
FREEZE: Final[TSchemaContract] = {"columns": "freeze"}
"""A new column stops the table; the rest of its source goes on, and the load fails."""
QUARANTINE: Final[TSchemaContract] = {"columns": "discard_row"}
"""A row with something in a new column goes to `_rejects`."""
POLICIES: Final = {"evolve": EVOLVE, "freeze": FREEZE, "discard_row": QUARANTINE}
MOST_NAMED: Final = 20
"""New columns that are named when there are more."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one table takes a new shape."""

    policy: TSchemaContract
    known: frozenset[str]
    """Columns that are not new: those declared, and those that the raw table has."""
    takes_nul: bool = True
    """Whether the warehouse has a place for the character NUL; PostgreSQL has none."""

    def unknown(self, names: Iterable[str]) -> list[str]:
        """Return which columns are new, and not simply taken in."""
        if self.policy == EVOLVE:
            return []
        return sorted({n for n in names if n not in self.known and not n.startswith("_dlt")})


ANYTHING: Final = Rule(policy=EVOLVE, known=frozenset())


def contracted(resource: DltResource, contract: TSchemaContract | None) -> DltResource:
    """Return a resource with a schema contract of its own, if there is one."""
    return resource.apply_hints(schema_contract=contract) if contract else resource


def rules(
    source: DltSource,
    known: Mapping[str, TTableSchemaColumns],
    judged: Mapping[str, Shape],
    *,
    takes_nul: bool = True,
) -> dict[str, Rule]:
    """Return how each table takes a new shape; from here on dlt takes all that passes.

    Args:
        source: what is loaded.
        known: the columns that each raw table has.
        judged: the shapes of tables that declare columns.
        takes_nul: whether the warehouse has a place for the character NUL.

    Raises:
        ValueError: a schema contract says what gate one does not know.
    """
    found = {
        name: replace(
            _rule(source, source.resources[name], {*shape.hints, *known.get(name, {})}),
            takes_nul=takes_nul,
        )
        for name, shape in judged.items()
    }
    for name in found:
        source.resources[name].apply_hints(schema_contract=EVOLVE)
    if source.schema_contract:
        source.schema_contract = EVOLVE
    return found


def _rule(source: DltSource, resource: DltResource, known: Iterable[str]) -> Rule:
    contract: Any = resource.schema_contract or source.schema_contract or "evolve"
    mode = contract if isinstance(contract, str) else contract.get("columns", "evolve")
    if mode not in POLICIES:
        raise ValueError(
            f"Unknown schema contract '{contract}' of '{resource.name}'. Use EVOLVE, FREEZE or "
            "QUARANTINE of loaders.drift; a Pydantic model sets one of its own where you name none."
        )
    return Rule(policy=POLICIES[mode], known=frozenset(known))


def widened(types: Mapping[str, str]) -> str:
    """Return what to tell of the columns that a table has got, from their names and types."""
    if len(types) == 1:
        ((name, kind),) = types.items()
        return f"has a new column '{name}' ({kind})."
    kinds = set(types.values())
    names = [name if len(kinds) == 1 else f"{name} ({kind})" for name, kind in types.items()]
    told = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    of_one = f", as {kinds.pop()}" if len(kinds) == 1 else ""
    return f"has {len(names):,} new columns{of_one}: {told}{more}."
