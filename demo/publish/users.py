"""Users of a day into the listing that the API serves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from demo.days import NEW_COLUMNS_DAY, midnight_of

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

SCHEMA = """
create table if not exists listing (
    updated_us integer, place integer, user_id integer, body text, primary key (updated_us, place)
) without rowid;
create index if not exists listing_user on listing (user_id);
create table if not exists days (day integer primary key);
"""

SHOWN = """
with shown as (
    select *, 0 as number, updated_at as shown_at from users where day = $day
    union all
    select *, 1 as number, updated_at as shown_at from users where day = $day and copy = 'same'
    union all
    select
        * replace (concat('old.', email) as email),
        1 as number,
        if($day = 1, updated_at - interval 1 hour,
            later($today, seconds_between($today, updated_at) // 2)) as shown_at,
    from users where day = $day and copy = 'stale'
),
written as (
    select
        *,
        case
            when dirt in ('email_null', 'two_faults') then null
            when dirt = 'email_blank' then '   '
            when dirt = 'email_malformed' then ['nobody', '@example.com', 'nobody@'][1 + id % 3]
            when cosmetic = 1 then upper(email)
            when cosmetic = 2 then concat('  ', email, ' ')
            when cosmetic = 3 then concat(' ', upper(left(email, 1)), substr(email, 2), '  ')
            else email
        end as raw_email,
        if(cosmetic >= 2, ' ' || first_name || ' ', first_name) as raw_first_name,
        if(cosmetic >= 2, last_name || '  ', last_name) as raw_last_name,
        if(cosmetic in (1, 3), lower(country_code), country_code) as raw_country_code,
        case
            when dirt = 'created_text' then 'not-a-date'
            when dirt in ('created_future', 'two_faults') then '2999-01-01T00:00:00Z'
            else iso(created_at)
        end as raw_created_at,
        case
            when dirt = 'opt_in_text' then to_json('maybe')
            else to_json(is_marketing_opt_in)
        end as raw_opt_in,
        case
            when dirt = 'id_missing' then null
            when dirt = 'id_text' then to_json(concat('u-', id))
            else to_json(id)
        end as raw_id,
    from shown
),
bodies as (
    select
        *,
        cast(json_object(
            'id', raw_id, 'email', raw_email, 'first_name', raw_first_name,
            'last_name', raw_last_name, 'phone', phone, 'country_code', raw_country_code,
            'is_marketing_opt_in', raw_opt_in, 'created_at', raw_created_at,
            'updated_at', iso(shown_at)
        ) as text) as body,
    from written
)
select
    epoch_us(shown_at) as updated_us,
    id * 4 + number as place,
    id as user_id,
    if($day < $new_columns_day, body, concat(
        body[:-2], ',"loyalty_tier":', coalesce(cast(to_json(loyalty_tier) as text), 'null'), '}'
    )) as body,
from bodies
order by updated_us, place
"""
"""What the API says of a day's users: the clean entity with its cosmetics, copies and dirt."""


def rows(connection: duckdb.DuckDBPyConnection, day: int) -> list[tuple[int, int, int, str]]:
    """A day's listing: moment in epoch microseconds, place among ties, user and JSON text."""
    values = {
        "day": day,
        "today": midnight_of(day).replace(tzinfo=None),
        "new_columns_day": NEW_COLUMNS_DAY,
    }
    return connection.execute(SHOWN, values).fetchall()


def publish_users(connection: duckdb.DuckDBPyConnection, path: Path, day: int) -> None:
    """Show a day's users in the API, all at once; a day already shown is left as it is."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as store:
        store.execute("pragma journal_mode = wal")
        store.executescript(SCHEMA)
        store.execute("begin immediate")
        if not store.execute("select 1 from days where day = ?", [day]).fetchone():
            _replace(store, rows(connection, day))
            store.execute("insert into days values (?)", [day])
        store.execute("commit")


def _replace(store: sqlite3.Connection, listed: list[tuple[int, int, int, str]]) -> None:
    store.executemany("delete from listing where user_id = ?", [(row[2],) for row in listed])
    store.executemany("insert into listing values (?, ?, ?, ?)", listed)
