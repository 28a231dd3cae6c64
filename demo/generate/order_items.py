"""One day of order items: those of the new orders (a few a day late), changes, deletions."""

COLUMNS = """
    day integer, id bigint, order_id bigint, product_id bigint, quantity bigint,
    price_cents bigint, updated_at timestamp, deleted_at timestamp, dirt varchar
"""
"""`day` is the day of arrival: the items of some orders come a day after the order."""

NEW = """
create temp table fresh_order_items as
with prices as (
    select id as product_id, price_cents
    from (select * from products union all by name select * from new_products)
    qualify row_number() over (partition by id order by day desc) = 1
),
ordered as (
    select
        id as order_id,
        updated_at,
        row_number() over (order by daily('order.itemless', id))
            <= getvariable('orders_without_items') as is_late,
    from fresh_orders
),
lines as (
    select
        *,
        getvariable('known_items') + row_number() over (order by order_id, line) as id,
    from ordered,
        unnest(range(1, 1 + [1, 2, 2, 3, 4][1 + order_id % 5])) as numbers (line)
)
select
    getvariable('day') + if(is_late, 1, 0) as day,
    id,
    order_id,
    product_id,
    1 + least(pick('item.quantity', id, 4), pick('item.again', id, 4)) as quantity,
    price_cents,
    if(is_late, later(getvariable('today') + interval 1 day, pick('item.late', id, 72000)),
        updated_at) as updated_at,
    cast(null as timestamp) as deleted_at,
    if(is_late, 'late', 'new') as origin,
from (
    select
        *,
        1 + pick('item.product', id, getvariable('known_products') + getvariable('products'))
            as product_id,
    from lines
)
inner join prices using (product_id)
"""

CHANGED = """
create temp table stirred_order_items as
with latest as (
    select * from order_items qualify row_number() over (partition by id order by day desc) = 1
),
chosen as (
    select
        * exclude (updated_at),
        this_day('item.updated', id) as updated_at,
        row_number() over (partition by dirt is null order by daily('item.chosen', id)) as place,
    from latest
    where deleted_at is null and day < getvariable('day')
)
select
    * exclude (day, dirt, place, quantity, deleted_at),
    getvariable('day') as day,
    if(dirt is null and place <= getvariable('items_changed'), 1 + quantity % 3, quantity)
        as quantity,
    if(dirt is null and place > getvariable('items_changed'), updated_at, null) as deleted_at,
    if(dirt is null, 'changed', 'repaired') as origin,
from chosen
where
    (dirt is null and place <= getvariable('items_changed') + getvariable('items_deleted'))
    or (dirt is not null and place <= getvariable('items_repaired'))
"""

ALL = """
create temp table new_order_items as
with rows as (
    select * from fresh_order_items
    union all by name
    select * from stirred_order_items
),
shuffled as (
    select
        *,
        row_number() over (partition by origin order by daily('item.dirt', id)) as place,
        (1 + count(*) over (partition by origin)) // 2 as most,
    from rows
),
dirtied as (
    select shuffled.*, plan.kind as dirt
    from shuffled
    left join plan
        on plan.table_name = 'order_items' and plan.origin = shuffled.origin
        and shuffled.place <= shuffled.most
        and shuffled.place > plan.low and shuffled.place <= plan.high
),
ranked as (
    select
        *,
        row_number() over (
            partition by dirt is null and origin <> 'late' order by daily('item.tie', id)
        ) as clean_place,
    from dirtied
)
select
    * exclude (updated_at, origin, place, most, clean_place),
    if(dirt is null and origin <> 'late' and clean_place <= 3, last_moment(), updated_at)
        as updated_at,
from ranked
"""
