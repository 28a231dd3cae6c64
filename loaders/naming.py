"""How names of a source are written in the warehouse: snake case, in any language's letters."""

from __future__ import annotations

import os
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

from dlt.common.normalizers.naming import snake_case

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

os.environ.setdefault("SCHEMA__NAMING", __name__)  # dlt asks for it when a source is made
# a warehouse that was named by dlt's own convention goes on: what is ASCII is named the same
os.environ.setdefault("SCHEMA__ALLOW_IDENTIFIER_CHANGE_ON_TABLE_WITH_DATA", "true")
ACCENTED: Final = re.compile(r"([A-Za-z])[\u0300-\u036f]+")
NO_LETTERS: Final = re.compile(r"\W+")
LATIN: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)


class NamingConvention(snake_case.NamingConvention):
    """dlt's snake case, in which `Größe` is `grosse`, and `数量` is itself.

    dlt's own puts `_` for every letter that is not of ASCII, so that `é` and `è` are one column.
    """

    def normalize_identifier(self, identifier: str) -> str:
        """Return a name as the warehouse has it."""
        plain = _plain(identifier)
        if plain.isascii():
            return super().normalize_identifier(plain)
        words = NO_LETTERS.sub("_", plain.translate(self._TR_REDUCE_ALPHABET))
        written = self._to_snake_case(words)
        more = len(written.encode()) - len(written)  # a database counts bytes
        length = max(self.max_length - more, 16) if self.max_length else 0
        return self.shorten_identifier(written, plain, length)


def distinct(
    rows: Collection[Sequence[str]], normalize: Callable[[str], str], taken: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Return the columns of a file or page by what each is named in the warehouse.

    Of two in one row that would have the same name the second is numbered: `ID` beside `id` is
    `id_2`; the one that is written as the warehouse does comes first. Where some rows have `ID` and
    others `id`, and none has both, they are one column.

    Args:
        rows: the names that a row has in the source; each list of them once.
        normalize: returns how the warehouse writes a name.
        taken: names that columns of ours have.

    Returns:
        Name in the warehouse to the names in the source, of which a row has one at most.
    """
    kinds = [frozenset(names) for names in rows]
    written = {name: normalize(name) for names in rows for name in names}
    ours = frozenset(taken)
    if len({*written.values(), *ours}) == len(written) + len(ours):
        return {name: [source] for source, name in written.items()}
    found: dict[str, list[str]] = {}
    for name in sorted(written, key=lambda name: written[name] != name):
        candidate, number = written[name], 1
        while candidate in ours or any(
            {name, other} <= kind for other in found.get(candidate, ()) for kind in kinds
        ):
            number += 1
            candidate = f"{written[name]}_{number}"
        found.setdefault(candidate, []).append(name)
    return found


@cache
def _plain(identifier: str) -> str:
    """Return a name without the accents of Latin letters."""
    apart = unicodedata.normalize("NFD", identifier.strip().translate(LATIN))
    return unicodedata.normalize("NFC", ACCENTED.sub(r"\1", apart))


def numbered(names: list[str]) -> list[str]:
    """Number columns of the same name, and name those without; DuckDB takes no note of capitals."""
    given = [name or f"column_{position}" for position, name in enumerate(names, 1)]
    found, used = dict(enumerate(given)), set[str]()
    for at in sorted(found, key=lambda at: given[at] != given[at].lower()):
        number = 1
        while found[at].lower() in used:
            number += 1
            found[at] = f"{given[at]}_{number}"
        used.add(found[at].lower())
    return list(found.values())
