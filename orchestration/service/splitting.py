"""Takes a body apart into items while it arrives: NDJSON by lines, JSON by a reader that waits."""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from orchestration.service.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLANK: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


class Splitter(Protocol):
    """Gives items, each as one line, as soon as they are whole."""

    resource: str | None
    """The resource, if the body says it."""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece of the body; yield the items that it completes."""

    def end(self) -> Iterator[bytes]:
        """Take the body's end; yield what is left."""


class Lines:
    """NDJSON: an item on each line. A line that is no JSON becomes an item that is refused."""

    def __init__(self, longest: int) -> None:
        self.resource: str | None = None
        self.longest = longest
        self.rest = b""
        self.count = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that are whole."""
        *lines, self.rest = (self.rest + piece).split(b"\n")
        for line in (*lines, *([self.rest] if len(self.rest) > self.longest else [])):
            self.count += 1
            if len(line) > self.longest:
                raise _too_long(self.count, self.longest)
            if line.strip():
                yield line.strip()

    def end(self) -> Iterator[bytes]:
        """Yield a last line without its end."""
        if self.rest.strip():
            yield self.rest.strip()


class Document:
    """JSON: {"resource": …, "items": […]}; holds no more of it than one item."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.resource: str | None = None
        self.count = 0
        self._text = ""
        self._at = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._expects: Callable[[], None] = self._opening
        self._whole: bytes | None = None
        self._is_over = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the items that are whole."""
        self._text = self._text[self._at :] + self._decoded(piece, final=False)
        self._at = 0
        yield from self._items()
        if len(self._text) - self._at > self.longest:
            raise _too_long(self.count + 1, self.longest)

    def end(self) -> Iterator[bytes]:
        """Yield what is left, and see that the document is whole."""
        self._text += self._decoded(b"", final=True)
        yield from self._items()
        if not self._is_over:
            raise self._broken("it ends too early, or is no JSON from there on")

    def _decoded(self, piece: bytes, *, final: bool) -> str:
        try:
            return self._utf8.decode(piece, final)
        except UnicodeDecodeError:
            raise self._broken("it is not UTF-8") from None

    def _items(self) -> Iterator[bytes]:
        """Go on as far as the text goes; whoever expects something takes it, or waits for more."""
        while True:
            self._skip()
            begun = self._at
            if begun == len(self._text):
                return
            self._expects()
            if self._whole is not None:
                self.count += 1
                yield self._whole
                self._whole = None
            elif self._at == begun:
                return

    def _skip(self) -> None:
        found = BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _take(self, *wanted: str) -> str:
        sign = self._text[self._at]
        if sign not in wanted:
            raise self._broken(f"'{sign}' stands where one of {' '.join(wanted)} should")
        self._at += 1
        return sign

    def _opening(self) -> None:
        self._take("{")
        self._expects = self._name

    def _name(self) -> None:
        found = self._value()
        if found is None:
            return
        if found[1] not in {'"resource"', '"items"'}:
            raise self._broken("its fields are resource and items")
        is_items = found[0] == "items"
        self._expects = self._colon_items if is_items else self._colon_resource

    def _colon_items(self) -> None:
        self._take(":")
        self._expects = self._bracket

    def _colon_resource(self) -> None:
        self._take(":")
        self._expects = self._resource

    def _resource(self) -> None:
        found = self._value()
        if found is not None:
            self.resource = str(found[0])
            self._expects = self._after_field

    def _bracket(self) -> None:
        self._take("[")
        self._expects = self._first_item

    def _first_item(self) -> None:
        if self._text[self._at] == "]":
            self._after_item()
        else:
            self._item()

    def _item(self) -> None:
        found = self._value()
        if found is not None:
            if len(found[1]) > self.longest:
                raise _too_long(self.count + 1, self.longest)
            self._expects = self._after_item
            self._whole = found[1].replace("\r", " ").replace("\n", " ").encode()

    def _after_item(self) -> None:
        is_end = self._take(",", "]") == "]"
        self._expects = self._after_field if is_end else self._item

    def _after_field(self) -> None:
        if self._take(",", "}") == ",":
            self._expects = self._name
        else:
            self._is_over = True
            self._expects = self._nothing

    def _nothing(self) -> None:
        raise self._broken("something stands behind its end")

    def _value(self) -> tuple[Any, str] | None:
        """Return the value that stands here and its text; None while it is not whole."""
        try:
            value, end = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError:
            return None
        except (RecursionError, ValueError) as error:
            raise self._broken(f"it cannot be read ({type(error).__name__})") from error
        if end == len(self._text):
            return None  # a number might go on
        text, self._at = self._text[self._at : end], end
        return value, text

    def _broken(self, why: str) -> Refused:
        return Refused(422, f'The body is not {{"items": [...]}}: behind item {self.count}, {why}.')


def _too_long(number: int, longest: int) -> Refused:
    return Refused(
        413, f"Item {number} is longer than {longest:,} bytes, or is no JSON. Nothing was taken."
    )
