"""Pages that are counted, by offset or number: what an API says of their count is doubted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dlt.common import jsonpath

from loaders.accounting import tally
from loaders.addresses import shown_url

if TYPE_CHECKING:
    import requests
    from dlt.sources.helpers.rest_client.paginators import RangePaginator

EMPTY: Final = 3
"""Pages without rows, one after the other, at which a list is over, whatever its total."""


class Counting:
    """Moves a paginator of dlt's that counts by what has come, not by what was asked for.

    An API that gives 50 rows where 100 were asked for would have every other 50 passed over; one
    whose total counts the rows of a page would end after the first, and an empty page before the
    last would end the list.

    Args:
        inner: by offset, if it has a limit, or by page number.
    """

    def __init__(self, inner: RangePaginator) -> None:
        self.inner = inner
        self.limit = int(getattr(inner, "limit", 0))
        self.rows = self.empty = 0

    def begin(self) -> None:
        """Begin with the first page."""
        self.rows = self.empty = 0

    def update(self, response: requests.Response, data: list[Any]) -> None:
        """Look at a page that has come, and tell the paginator where the next one begins."""
        inner = self.inner
        if self.limit:
            inner.value_step = min(len(data), self.limit) or self.limit
        inner.update_state(response, data)
        self.rows += len(data)
        self.empty = 0 if data else self.empty + 1
        if inner.has_next_page or inner.has_more_path or (total := self._total(response)) is None:
            return
        if not data and inner.stop_after_empty_page:
            inner.current_value += inner.value_step
            is_more = inner.current_value < total + inner.base_index and self.rows != total
            if is_more and self.empty == EMPTY:
                self._tell(response, total)
            is_more = is_more and self.empty < EMPTY
        else:
            is_full = 0 < self.limit <= len(data)
            is_more = is_full and (inner.current_value > total or total == self.limit)
        inner._has_next_page = is_more and (  # noqa: SLF001 - what update_state() sets
            inner.maximum_value is None or inner.current_value < inner.maximum_value
        )

    def _total(self, response: requests.Response) -> int | None:
        path = self.inner.total_path
        found = jsonpath.find_values(path, response.json()) if path else []
        try:
            return int(found[0])
        except (IndexError, TypeError, ValueError):
            return None

    def _tell(self, response: requests.Response, total: int) -> None:
        what = "rows" if self.limit else "pages"
        tally().notices.append(
            f"'{shown_url(str(response.url))}' tells of {total:,} {what}, and nothing came after "
            f"{self.rows:,} rows. If that is all, name another `total_path`, or None."
        )
