"""Events of a day into hourly files: csv.gz, jsonl.gz and Parquet by turns."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from demo.days import NEW_COLUMNS_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    import duckdb

BAD_BYTES = "\ue000"
"""Stands in the text for bytes that are no UTF-8, until the file is written."""

EXTENSIONS = {"csv": "csv.gz", "jsonl": "jsonl.gz", "parquet": "parquet"}

WRITTEN = """
create or replace macro csv_field(value) as case
    when value is null then ''
    when contains(value, ',') or contains(value, '"')
        then concat('"', replace(value, '"', '""'), '"')
    else value
end;
create or replace temp view written_events as
select
    * exclude (event_id, event_type, occurred_at),
    if(dirt = 'event_missing', null, event_id) as event_id,
    if(dirt = 'type_missing', null, event_type) as event_type,
    case when dirt = 'occurred_missing' then null
        when dirt = 'occurred_ancient' then timestamp '1970-01-01 00:00:00'
        else occurred_at end as occurred_at,
from events;
create or replace temp view text_events as
select
    * exclude (user_id, occurred_at, page_url),
    if(dirt = 'user_text', 'user-77', cast(user_id as text)) as user_id,
    if(dirt = 'occurred_text', 'not-a-time', iso(occurred_at)) as occurred_at,
    case dirt when 'bad_encoding' then concat('/bad', chr(57344))
        when 'open_quote' then '/unfinished' else page_url end as page_url,
from written_events;
"""

CSV = """
with written as (
    select
        *,
        concat_ws(',', coalesce(event_id, ''), coalesce(user_id, ''), coalesce(event_type, ''))
            as head,
        concat_ws(',', csv_field(page_url), coalesce(cast(product_id as text), ''),
            coalesce(occurred_at, '')) || if(day < $new_columns_day, '',
            ',' || coalesce(device, '')) as tail,
    from text_events
    where day = $day and format = 'csv'
)
select
    file_on,
    hour,
    $header || string_agg(
        case dirt
            when 'too_few_columns' then head
            when 'too_many_columns' then concat(head, ',', tail, ',one,too many')
            when 'open_quote' then concat(head, ',"', tail)
            else concat(head, ',', tail)
        end, chr(10) order by line
    ) || chr(10) as content,
from written
group by file_on, hour
order by file_on, hour
"""

JSONL = """
with written as (
    select
        *,
        cast(json_object(
            'event_id', event_id,
            'user_id', case when dirt = 'user_text' then to_json(user_id)
                else to_json(cast(user_id as bigint)) end,
            'event_type', event_type, 'page_url', page_url, 'product_id', product_id,
            'occurred_at', occurred_at
        ) as text) as plain,
        if(day < $new_columns_day, plain, concat(
            plain[:-2], ',"device":', coalesce(cast(to_json(device) as text), 'null'), '}'))
            as json,
    from text_events
    where day = $day and format = 'jsonl'
)
select
    file_on,
    hour,
    string_agg(
        case dirt
            when 'truncated' then left(json, 60)
            when 'garbage' then '<html>502 Bad Gateway</html>'
            when 'not_an_object' then concat('["', event_id, '", "page_view"]')
            else json
        end, chr(10) order by line
    ) || chr(10) as content,
from written
group by file_on, hour
order by file_on, hour
"""

PARQUET = """
copy (
    select event_id, user_id, event_type, page_url, product_id,
        cast(occurred_at as timestamptz) as occurred_at {device}
    from written_events
    where day = {day} and file_on = date '{on}' and hour = {hour}
    order by line
) to '{path}' (format parquet)
"""


def file_of(folder: Path, on: date, hour: int, file_format: str) -> Path:
    """The path of an hour's events."""
    return folder / "events" / f"day={on}" / f"events-{hour:02d}.{EXTENSIONS[file_format]}"


def publish_files(
    connection: duckdb.DuckDBPyConnection, folder: Path, aside: Path, day: int
) -> None:
    """Write all files of a day; each is made aside and put in its place by a rename.

    Args:
        connection: The world.
        folder: Where the files belong.
        aside: A folder on the same disk for files in the making.
        day: The shop's day.
    """
    connection.execute(WRITTEN)
    aside.mkdir(parents=True, exist_ok=True)
    for target, content in _texts(connection, folder, day):
        _put(target, aside, gzip.compress(content, compresslevel=1, mtime=0))
    for on, hour in connection.execute(
        "select distinct file_on, hour from events where day = ? and format = 'parquet' "
        "order by all",
        [day],
    ).fetchall():
        made = aside / "events.parquet"
        device = ", device" if day >= NEW_COLUMNS_DAY else ""
        connection.execute(PARQUET.format(day=day, on=on, hour=hour, path=made, device=device))
        _place(made, file_of(folder, on, hour, "parquet"))


def _texts(
    connection: duckdb.DuckDBPyConnection, folder: Path, day: int
) -> Iterator[tuple[Path, bytes]]:
    values = {"day": day, "new_columns_day": NEW_COLUMNS_DAY}
    header = "event_id,user_id,event_type,page_url,product_id,occurred_at"
    header += ",device\n" if day >= NEW_COLUMNS_DAY else "\n"
    for on, hour, text in connection.execute(CSV, values | {"header": header}).fetchall():
        content = text.encode().replace(BAD_BYTES.encode(), b"\xff\xfe")
        yield file_of(folder, on, hour, "csv"), content
    for on, hour, text in connection.execute(JSONL, values).fetchall():
        yield file_of(folder, on, hour, "jsonl"), text.encode()


def _put(target: Path, aside: Path, content: bytes) -> None:
    made = aside / target.name
    made.write_bytes(content)
    _place(made, target)


def _place(made: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    made.replace(target)
