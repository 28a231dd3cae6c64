"""What can go wrong while rows move.

LoaderError
 ├─ SettingMissing      a setting is nowhere to be found
 ├─ SourceUnreachable   a source does not answer (can be retried)
 ├─ SourceRefused       a source answers, but not to us: password, token, missing table
 ├─ SourceShrunk        a source has lost so many rows that it is not trusted
 ├─ TableStopped        a table's shape is not what it may be; the rest of its source went on
 │   └─ TableRefused    a table is not there, lacks a column or may not be read: as SourceRefused
 ├─ WarehouseBusy       another process writes to the warehouse (can be retried)
 ├─ WarehouseFailed     the warehouse cannot be opened or written to
 ├─ RowsUnaccounted     a load's counts do not add up
 └─ DeliveryFailed      a destination does not take what it is sent (can be retried)
     ├─ DeliveryRefused  a destination answers, but not to us: password, token, address
     └─ DeletionsHeld    a delivery would delete more than it may without being told to
"""

from __future__ import annotations

from typing import Any, ClassVar


class LoaderError(Exception):
    """Rows could not be moved; the message says what failed, what was found, and what to do."""

    retryable: ClassVar[bool] = False


class SettingMissing(LoaderError):
    """A setting is nowhere to be found."""


class SourceUnreachable(LoaderError):
    """A source does not answer."""

    retryable = True


class SourceRefused(LoaderError):
    """A source answers, but not to us."""


class SourceShrunk(LoaderError):
    """A source has lost so many rows that it is not trusted."""


class TableStopped(LoaderError):
    """A table's shape is not what it may be; the rest of its source went on."""

    def __init__(self, message: str, *, table: str) -> None:
        super().__init__(message)
        self.table = table
        self.result: Any = None
        """The loaders.load.LoadResult of the source's other tables."""


class TableRefused(SourceRefused, TableStopped):
    """A table is not there, lacks a column or may not be read; the rest of its source went on."""


class WarehouseBusy(LoaderError):
    """Another process writes to the warehouse."""

    retryable = True


class WarehouseFailed(LoaderError):
    """The warehouse cannot be opened or written to."""


class RowsUnaccounted(LoaderError):
    """A load's counts do not add up."""


class DeliveryFailed(LoaderError):
    """A destination does not take what it is sent."""

    retryable = True
    result: Any = None
    """The loaders.deliver.DeliveryResult of what was done until then, if anything was."""


class DeliveryRefused(DeliveryFailed):
    """A destination answers, but not to us."""

    retryable = False


class DeletionsHeld(DeliveryFailed):
    """A delivery would delete more than it may without being told to."""

    retryable = False
