"""The SQL behind the truth: fates of versions first, then counts, then the marts."""

from __future__ import annotations

SCHEMAS = """
create schema truth;
create schema fate;
create schema raw;
create schema clean;
"""

FATES = """
create view fate.{table} as
select versions.*, fates.outcome, fates.reason
from main.{table} as versions
left join fates on fates.table_name = '{table}' and versions.dirt = fates.kind
where versions.day <= getvariable('last_day') {current}
"""
"""Each version with its fate: outcome 'reject', 'quarantine' or null for a clean one."""

LAST_VERSION = "qualify row_number() over (partition by id order by day desc) = 1"
LAST_FILE = "qualify versions.day = max(versions.day) over (partition by file_on, hour)"

RAW = "create table raw.{table} as from fate.{table} where outcome is distinct from 'reject' {last}"
"""The last readable version of a key; every readable message, and line of the files as they are."""

CLEAN = """
create table clean.users as from raw.users where outcome is null;
create table clean.products as from raw.products where outcome is null;
create table clean.orders as from raw.orders where outcome is null;
create table clean.order_items as from raw.order_items where outcome is null;

create table clean.payments as
select * from raw.payments where outcome is null
qualify row_number() over (partition by payment_id order by day desc, number desc) = 1;

create table clean.events as
select * from raw.events where outcome is null
qualify row_number() over (
    partition by event_id order by day desc, file_on desc, hour desc, line desc
) = 1;
"""

COUNTS = """
create table truth.raw_counts (source text, table_name text, count_rows bigint);
create table truth.rejects (source text, table_name text, count_rows bigint);
create table truth.staging_counts (model text, count_rows bigint);
create table truth.quarantine_counts (model text, count_rows bigint);
create table truth.quarantined (model text, key text, reasons text);
create table truth.dirt_counts (
    table_name text, kind text, outcome text, day bigint, count_rows bigint
);
"""

COUNTS_OF_TABLE = """
insert into truth.raw_counts select '{source}', '{table}', count(*) from raw.{table};
insert into truth.rejects
select '{source}', '{table}', count(*) from fate.{table} where outcome = 'reject';
insert into truth.staging_counts select '{model}', count(*) from clean.{table};
insert into truth.quarantine_counts
select '{model}', count(*) from raw.{table} where outcome = 'quarantine';
insert into truth.quarantined
select '{model}', cast({key} as text), reason from raw.{table} where outcome = 'quarantine';
insert into truth.dirt_counts
select '{table}', dirt, outcome, day, count(*) from fate.{table} where dirt is not null
group by all;
"""

MARTS = """
create table truth.dim_users as
select
    id as user_id, email, first_name, last_name,
    array_to_string(list_filter([first_name, last_name], lambda name: name is not null), ' ')
        as full_name,
    country_code,
    coalesce(is_marketing_opt_in, false) as is_marketing_opt_in,
    created_at, updated_at,
from clean.users;

create table truth.dim_products as
select
    id as product_id, sku, name as product_name, category, money(price_cents) as price, currency,
    is_active, deleted_at is not null as is_deleted, created_at, updated_at,
from clean.products;

create table truth.fct_orders as
with sold as (
    select order_id, sum(quantity) as count_items, sum(quantity * price_cents) as cents
    from clean.order_items where deleted_at is null group by order_id
),
paid as (
    select
        order_id,
        sum(amount_cents * case status when 'succeeded' then 1 when 'refunded' then -1 else 0 end)
            as cents,
    from clean.payments group by order_id
)
select
    orders.id as order_id, user_id, status, currency, ordered_at,
    cast(ordered_at as date) as ordered_on, shipped_at,
    cast(coalesce(sold.count_items, 0) as bigint) as count_items,
    money(coalesce(sold.cents, 0)) as amount,
    money(coalesce(paid.cents, 0)) as paid_amount,
    coalesce(sold.cents > 0 and coalesce(paid.cents, 0) >= sold.cents, false) as is_paid,
    updated_at,
from clean.orders as orders
left join sold on orders.id = sold.order_id
left join paid on orders.id = paid.order_id
where deleted_at is null;

create table truth.fct_events as
select
    event_id, user_id, event_type, page_url, product_id, occurred_at,
    cast(occurred_at as date) as occurred_on,
from clean.events;

create table truth.agg_daily_sales as
with counted as (
    select
        ordered_on, currency, count(*) as count_orders,
        count(distinct user_id) as count_customers,
        cast(sum(count_items) as bigint) as count_items,
        cast(sum(amount) as decimal(18, 2)) as revenue,
        cast(revenue * 100 as bigint) as cents,
    from truth.fct_orders where status <> 'cancelled'
    group by ordered_on, currency
)
select
    * exclude (cents),
    money((2 * cents + count_orders) // (2 * count_orders)) as average_order_amount,
from counted;

create table truth.crm_contacts as
with bought as (
    select user_id, count(*) as count_orders, sum(amount) as total_amount
    from truth.fct_orders where status <> 'cancelled' group by user_id
)
select
    cast(user_id as text) as id, email, full_name, country_code,
    coalesce(bought.count_orders, 0) as count_orders,
    cast(coalesce(bought.total_amount, 0) as decimal(18, 2)) as total_amount,
from truth.dim_users
left join bought using (user_id)
where is_marketing_opt_in and not ends_with(email, '@blocked.example');
"""
"""No amount is negative, so half a cent rounds up; no answer about marketing is taken as a no."""

KEYS = {
    "users": ("shop_api", "id"),
    "products": ("shop_db", "id"),
    "orders": ("shop_db", "id"),
    "order_items": ("shop_db", "id"),
    "events": ("event_files", "concat(file_on, ' ', hour, ':', line)"),
    "payments": (
        "payment_queue",
        "concat(epoch_ms(date '2025-12-31' + cast(day as integer)) + number, '-0')",
    ),
}
"""By raw table: its source, and what names a quarantined row of it."""

EACH = tuple(
    {"source": source, "table": table, "key": key, "model": f"stg_{source}__{table}"}
    for table, (source, key) in KEYS.items()
)

STATEMENTS = (
    SCHEMAS,
    *(FATES.format(table=table, current=LAST_FILE if table == "events" else "") for table in KEYS),
    *(
        RAW.format(table=table, last="" if table in {"events", "payments"} else LAST_VERSION)
        for table in KEYS
    ),
    CLEAN,
    COUNTS,
    *(COUNTS_OF_TABLE.format(**names) for names in EACH),
    MARTS,
)
