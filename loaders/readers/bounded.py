"""A paginator of dlt's with doubts: what is no page, or comes again and again, is not the end."""

from __future__ import annotations

from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

from dlt.common import jsonpath
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    BaseReferencePaginator,
    RangePaginator,
)

from loaders.addresses import shown_url
from loaders.errors import SourceRefused, SourceUnreachable
from loaders.exact import as_json
from loaders.readers.answer import NO_CONTENT
from loaders.readers.counting import Counting

if TYPE_CHECKING:
    import requests

MOST_PAGES: Final = 100_000
SAME: Final = 3
"""Times that one page may come; twice it can where as many rows as it holds are put before it."""
SHOWN: Final = 120


class Bounded(BasePaginator):
    """A paginator of dlt's that ends in an error when pages go round or never end.

    Args:
        inner: the paginator that knows the API.
        most_pages: more than there can ever be.
        selector: where the rows are in an answer, '' where it is their list; None is not looked at.
    """

    def __init__(
        self, inner: BasePaginator, most_pages: int = MOST_PAGES, selector: str | None = None
    ) -> None:
        super().__init__()
        self.inner = inner
        self.counting = Counting(inner) if isinstance(inner, RangePaginator) else None
        self.most_pages = most_pages
        self.selector = selector
        self.seen: set[str] = set()
        self.latest, self.times = "", 0
        self.is_over = False

    @property
    def has_next_page(self) -> bool:
        """Tell whether there is another page."""
        return self.inner.has_next_page and not self.is_over

    def init_request(self, request: requests.Request) -> None:
        """Begin with the first page."""
        self.seen.clear()
        self.latest, self.times = "", 0
        self.is_over = False
        if self.counting:
            self.counting.begin()
        self.inner.init_request(request)

    def update_state(self, response: requests.Response, data: list[Any] | None = None) -> None:
        """Look at a page that has come.

        Raises:
            SourceUnreachable: it is not a page, or it is the same for the third time.
        """
        self.is_over = response.status_code == NO_CONTENT
        if self.is_over:
            return
        self._doubt(response, data or [])
        if self.counting:
            self.counting.update(response, data or [])
            return
        self.inner.update_state(response, data)
        if isinstance(self.inner, BaseReferencePaginator):  # some say by '' that there is no next
            self.is_over = not self.inner._next_reference  # noqa: SLF001

    def update_request(self, request: requests.Request) -> None:
        """Ask for the next page.

        Raises:
            SourceRefused: there are too many pages, or this one was read already.
        """
        self.inner.update_request(request)
        if not self.has_next_page:
            return
        place = f"{request.url!s} {request.params!r} {request.json!r}"
        if place in self.seen:
            raise SourceRefused(
                f"The pages of '{shown_url(str(request.url))}' go round: after "
                f"{len(self.seen) + 1} pages it names one again. Look at the API's cursor."
            )
        self.seen.add(place)
        check_pages(str(request.url), len(self.seen) + 1, self.most_pages)

    def _doubt(self, response: requests.Response, data: list[Any]) -> None:
        url = shown_url(str(response.url))
        if self.selector is not None and not _has(response.json(), self.selector):
            where = f"no '{self.selector}'" if self.selector else "no list"
            raise SourceUnreachable(
                f"The answer of '{url}' has {where}: {_begin(response.json())}. Say by "
                '`data_selector` where its rows are ("$" where it is one row; "items[*]" where '
                "the API leaves an empty list out), or load again; nothing is lost."
            )
        page = md5(as_json(data).encode(), usedforsecurity=False).hexdigest()
        self.times = self.times + 1 if page == self.latest else 1
        self.latest = page
        if self.times >= SAME and data:
            raise SourceRefused(
                f"The pages of '{url}' go round: the same {len(data)} rows came {SAME} times. Look "
                "at how the API wants to be asked for the next page."
            )


def _has(answer: Any, selector: str) -> bool:
    """Tell whether an answer has its rows where they should be."""
    if "*" in selector:
        return not isinstance(answer, dict) or "error" not in answer
    return bool(jsonpath.find_values(selector, answer)) if selector else isinstance(answer, list)


def _begin(answer: Any) -> str:
    text = as_json(answer)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def check_pages(url: str, pages: int, most: int) -> None:
    """Look at how many pages a list has.

    Raises:
        SourceRefused: there are too many.
    """
    if pages > most:
        raise SourceRefused(
            f"'{shown_url(url)}' has more than {most:,} pages. Raise `most_pages` if there are so "
            "many, or look at how the API counts its pages."
        )
