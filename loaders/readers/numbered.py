"""A list of an API that is read by page number, several pages at once, and held to its total.

A page may shift under us while we read: rows are added, changed (and so move to the end) or
deleted. Pages by cursor stand still. Of pages by number each reading is held against the totals
that came with them, and done again until one is whole:

- as many different rows were read as there are at the end: nothing was moved past us;
- the total never fell: nothing was deleted;
- what it grew by stands behind the row that was last when the reading began: no deletion hid
  behind an addition.

A list of which two readings saw the same stands still as well: it has rows with the same key. Rows
that come twice collapse by their key.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import reduce
from math import ceil
from typing import TYPE_CHECKING, Any

from loaders.addresses import shown_url
from loaders.errors import SourceUnreachable
from loaders.readers.api import Page
from loaders.readers.bounded import MOST_PAGES, check_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import requests


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """Pages that are asked for by number, oldest rows first, and tell how many rows there are.

    A number of pages is counted from 1; `first=0` counts from 0, `by_rows=True` counts the rows to
    leave out (`offset`, `startAt`).
    """

    url: str
    key: str | tuple[str, ...]
    """What tells one row from another."""
    params: Mapping[str, Any] = field(default_factory=dict)
    size: int = 100
    """Rows of a page."""
    page_param: str = "page"
    size_param: str = "page_size"
    first: int = 1
    by_rows: bool = False
    items: str = "items"
    """Where the rows are in the answer, such as `data.items`; '' where it is the list itself."""
    total: str = "total"
    """Where the answer tells how many rows there are in all, or which header does."""
    at_once: int = 4
    """Pages read side by side."""
    most_pages: int = MOST_PAGES
    readings: int = 5
    """How often to read again a list that keeps shifting."""


def numbered_pages(session: requests.Session, pages: Numbered) -> Iterator[Page]:
    """Yield all rows of a list that is read by page number, some of them perhaps twice.

    Args:
        session: a PoliteSession, with the API's `auth` or headers set.
        pages: the list.

    Raises:
        SourceRefused: there are more pages than `most_pages`.
        SourceUnreachable: the list shifted during each reading, or a page is not as declared.
    """
    before: _Reading | None = None
    for _ in range(pages.readings):
        reading = _Reading(session, pages)
        yield from reading.pages()
        if not (shifted := reading.shifted()) or reading.is_like(before):
            return
        before = reading
    raise SourceUnreachable(
        f"The pages of '{shown_url(pages.url)}' shifted during each of {pages.readings} readings: "
        f"{shifted}. Load again at a quieter time; nothing was lost."
    )


class _Reading:
    """One reading of all pages, and what it saw."""

    def __init__(self, session: requests.Session, pages: Numbered) -> None:
        self.session = session
        self.numbered = pages
        self.keys: set[Any] = set()
        self.totals: list[int] = []
        self.mark: Any = None
        """Key of the row that was last when the reading began."""
        self.behind_mark: int | None = 0
        """Rows that stand behind it at the end; None when it was not met."""

    def pages(self) -> Iterator[Page]:
        """Yield the pages in order; the last is looked at first and read last."""
        first = self._get(1)
        last = max(ceil(self.totals[0] / self.numbered.size), 1)
        check_pages(self.numbered.url, last, self.numbered.most_pages)
        if last == 1:
            self.mark = self._key(first[-1]) if first else None
            yield self._seen(first)
            return
        self.totals.clear()  # what shifted until now does not matter
        ending = self._get(last)
        self.mark = self._key(ending[-1]) if ending else None
        self.behind_mark = None if ending else 0
        yield from self._between(1, last)
        yield from self._from(last)

    def shifted(self) -> str:
        """Return how the list shifted under this reading; '' when it did not."""
        first, final, most = self.totals[0], self.totals[-1], max(self.totals)
        if final < most:
            return f"of {most} rows {final} are left"
        if len(self.keys) != final:
            return f"{len(self.keys)} of {final} rows came"
        if self.behind_mark != final - first:
            return f"{final - first} more rows than before, not all of them at the end"
        return ""

    def is_like(self, before: _Reading | None) -> bool:
        """Tell whether another reading saw the same: some rows then really have the same key."""
        return before is not None and before.keys == self.keys and before.totals == self.totals

    def _between(self, number: int, last: int) -> Iterator[Page]:
        """Yield pages from one number to before another, some of them under way side by side."""
        with ThreadPoolExecutor(self.numbered.at_once) as pool:
            under_way = deque(
                pool.submit(self._get, n)
                for n in range(number, min(number + self.numbered.at_once, last))
            )
            for n in range(number + len(under_way), last + len(under_way)):
                page = under_way.popleft().result()
                if n < last:
                    under_way.append(pool.submit(self._get, n))
                yield self._seen(page)

    def _from(self, number: int) -> Iterator[Page]:
        """Yield pages from a number to wherever the list ends now."""
        while (number - 1) * self.numbered.size < self.totals[-1]:
            check_pages(self.numbered.url, number, self.numbered.most_pages)
            page = self._get(number)
            yield self._seen(page)
            number += 1

    def _seen(self, page: Page) -> Page:
        for row in page:
            key = self._key(row)
            self.keys.add(key)
            if key == self.mark:
                self.behind_mark = 0
            elif self.behind_mark is not None:
                self.behind_mark += 1
        return page

    def _key(self, row: dict[str, Any]) -> Any:
        key = self.numbered.key
        found = [row.get(name) for name in ((key,) if isinstance(key, str) else key)]
        return str(found)

    def _get(self, number: int) -> Page:
        pages = self.numbered
        place = (number - 1) * pages.size if pages.by_rows else number - 1 + pages.first
        params = {**pages.params, pages.page_param: place, pages.size_param: pages.size}
        response = self.session.get(pages.url, params=params)
        response.raise_for_status()
        answer = response.json()
        try:
            rows = list(_found(answer, pages.items))
            told = response.headers.get(pages.total)
            total = int(_found(answer, pages.total) if told is None else told)
        except (LookupError, TypeError, ValueError) as error:
            raise SourceUnreachable(
                f"'{shown_url(str(response.url))}' has no '{pages.items}' and '{pages.total}' in "
                "its answer. Check how the source declares its pages."
            ) from error
        self.totals.append(total)
        return Page(rows, shown_url(str(response.url)))


def _found(answer: Any, path: str) -> Any:
    return reduce(lambda inner, name: inner[name], path.split("."), answer) if path else answer
