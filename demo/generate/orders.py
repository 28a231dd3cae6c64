"""One day of orders: new ones (a few of them late), ones moved on, some deleted."""

COLUMNS = """
    day integer, id bigint, user_id bigint, status varchar, currency varchar, ordered_at timestamp,
    shipped_at timestamp, updated_at timestamp, deleted_at timestamp, dirt varchar
"""

NEW = """
create temp table fresh_orders as
with numbered as (
    select
        getvariable('known_orders') + place as id,
        spread(place, getvariable('orders')) as arrived_at,
        if(getvariable('day') = 1,
            greatest(1, getvariable('users') * place // getvariable('orders')),
            getvariable('known_users') + getvariable('users')) as count_users,
        1 + least(pick('order.user', id, count_users), pick('order.again', id, count_users))
            as user_id,
        row_number() over (order by daily('order.late', id)) as late_place,
        pick('order.status', id, 100) as luck,
        date_diff('day', arrived_at, getvariable('today')) as age,
    from range(1, getvariable('orders') + 1) as numbers (place)
),
settled as (
    select
        *,
        case
            when getvariable('day') > 1
                then case when luck < 25 then 'pending' when luck < 85 then 'paid'
                    when luck < 95 then 'shipped' else 'cancelled' end
            when age < 1
                then case when luck < 40 then 'pending' when luck < 80 then 'paid'
                    when luck < 94 then 'shipped' else 'cancelled' end
            when age < 4
                then case when luck < 10 then 'pending' when luck < 35 then 'paid'
                    when luck < 80 then 'shipped' when luck < 94 then 'delivered'
                    else 'cancelled' end
            else case when luck < 1 then 'pending' when luck < 2 then 'paid'
                when luck < 4 then 'shipped' when luck < 94 then 'delivered'
                else 'cancelled' end
        end as status,
        if(status in ('shipped', 'delivered'),
            part_of(arrived_at, least(arrived_at + interval 3 day, getvariable('window_end')),
                'order.shipped', id), null) as shipped_at,
        coalesce(shipped_at, arrived_at) as settled_at,
    from numbered
)
select
    id,
    user_id,
    status,
    case
        when pick('order.currency', user_id, 10) < 6 then 'EUR'
        when pick('order.currency', user_id, 10) < 9 then 'USD'
        else 'GBP'
    end as currency,
    if(late_place <= getvariable('orders_late'),
        arrived_at - to_days(1 + cast(pick('order.late', id, 6) as integer)), arrived_at)
        as ordered_at,
    shipped_at,
    part_of(settled_at, least(settled_at + interval 5 day, getvariable('window_end')),
        'order.updated', id) as updated_at,
    cast(null as timestamp) as deleted_at,
    'new' as origin,
from settled
"""

CHANGED = """
create temp table stirred_orders as
with latest as (
    select * from orders qualify row_number() over (partition by id order by day desc) = 1
),
chosen as (
    select
        * exclude (updated_at),
        this_day('order.updated', id) as updated_at,
        row_number() over (
            partition by dirt is null
            order by
                if(dirt is null and status in ('delivered', 'cancelled'), 1, 0),
                daily('order.chosen', id)
        ) as place,
    from latest
    where deleted_at is null and coalesce(dirt, '') <> 'id_missing'
),
moved as (
    select
        * exclude (status),
        dirt is null and place <= getvariable('orders_changed') as is_moved,
        case
            when not is_moved then status
            when status in ('pending', 'paid') and daily_pick('order.cancel', id, 10) = 0
                then 'cancelled'
            when status = 'pending' then 'paid'
            when status = 'paid' then 'shipped'
            when status = 'shipped' then 'delivered'
            else status
        end as status,
    from chosen
)
select
    * exclude (day, dirt, place, is_moved, shipped_at, deleted_at, ordered_at),
    if(is_moved and place <= getvariable('orders_redated'), ordered_at - interval 1 day, ordered_at)
        as ordered_at,
    if(is_moved and status = 'shipped', updated_at - interval 90 second, shipped_at) as shipped_at,
    if(dirt is null and not is_moved, updated_at, null) as deleted_at,
    if(dirt is null, 'changed', 'repaired') as origin,
from moved
where
    (dirt is null and place <= getvariable('orders_changed') + getvariable('orders_deleted'))
    or (dirt is not null and place <= getvariable('orders_repaired'))
"""

ALL = """
create temp table new_orders as
with rows as (
    select * from fresh_orders
    union all by name
    select * from stirred_orders
),
shuffled as (
    select
        *,
        if(deleted_at is null, origin, 'deleted') as kind,
        row_number() over (partition by kind order by daily('order.dirt', id)) as place,
        (1 + count(*) over (partition by kind)) // 2 as most,
    from rows
),
dirtied as (
    select shuffled.*, plan.kind as dirt
    from shuffled
    left join plan
        on plan.table_name = 'orders' and plan.origin = shuffled.kind
        and shuffled.place <= shuffled.most
        and shuffled.place > plan.low and shuffled.place <= plan.high
),
ranked as (
    select
        *,
        row_number() over (partition by dirt is null order by daily('order.tie', id))
            as clean_place,
    from dirtied
)
select
    getvariable('day') as day,
    * exclude (updated_at, origin, kind, place, most, clean_place),
    if(dirt is null and clean_place <= 3, last_moment(), updated_at) as updated_at,
from ranked
"""
