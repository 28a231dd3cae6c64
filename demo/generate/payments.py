"""One day of payment messages: single, split, retried, failed, refunded, redelivered, late."""

COLUMNS = """
    day integer, number bigint, payment_id bigint, order_id bigint, amount_cents bigint,
    currency varchar, method varchar, status varchar, paid_at timestamp, kind varchar, dirt varchar
"""
"""`number` counts a day's messages; the same payment_id may come in several, the last one holds."""

PAYABLE = """
create temp table payable as
with order_versions as (
    select day, id, status, currency, ordered_at from orders
    union all
    select day, id, status, currency, ordered_at from new_orders
),
latest as (
    select *, min(day) over (partition by id) = getvariable('day') as is_new
    from order_versions
    qualify row_number() over (partition by id order by day desc) = 1
),
items as (
    select order_id, quantity * price_cents as cents
    from (select * from order_items union all by name select * from new_order_items)
    qualify row_number() over (partition by id order by day desc) = 1
),
totals as (
    select order_id, cast(sum(cents) as bigint) as cents from items group by order_id
)
select
    latest.id as order_id,
    latest.currency,
    latest.status as order_status,
    latest.ordered_at,
    latest.is_new,
    totals.cents,
    row_number() over (
        partition by is_new
        order by not is_new and latest.status <> 'paid', daily('payment.order', latest.id)
    ) as place,
from latest
inner join totals on latest.id = totals.order_id
anti join payments on latest.id = payments.order_id
where latest.status <> 'pending' and (latest.is_new or latest.status <> 'cancelled')
"""

NEW = """
create temp table fresh_payments as
with budget as (
    select
        getvariable('split_payments') as split,
        split + getvariable('retried_payments') as retried,
        retried + getvariable('failed_payments') as failed,
        getvariable('paid_orders') as base,
),
chosen as (
    select
        payable.*,
        case
            when not is_new then 'late'
            when place <= split then 'split'
            when place <= retried then 'retried'
            when place <= failed then 'failed'
            else 'single'
        end as kind,
        if(is_new,
            later(ordered_at, 60 + pick('payment.minutes', order_id, 5400)),
            later(getvariable('today') - interval 1 day,
                daily_pick('payment.late', order_id, 80000))
        ) as first_paid_at,
    from payable, budget
    where place <= if(is_new, base, getvariable('late_payments'))
),
steps as (
    select
        *,
        if(kind = 'split', part, 1) as share,
    from chosen, (values (1), (2)) as parts (part)
    where part = 1 or kind in ('split', 'retried')
),
numbered as (
    select
        *,
        getvariable('known_payments') + dense_rank() over (order by order_id, share) as payment_id,
    from steps
)
select
    payment_id,
    order_id,
    case when kind <> 'split' then cents when part = 1 then cents // 2 else cents - cents // 2 end
        as amount_cents,
    currency,
    ['card', 'paypal', 'transfer'][1 + pick('payment.method', order_id, 3)] as method,
    if(kind = 'failed' or (kind = 'retried' and part = 1), 'failed', 'succeeded') as status,
    first_paid_at + to_minutes(5 * (part - 1)) as paid_at,
    kind,
    order_status,
from numbered
"""

REFUNDS = """
create temp table refunds as
with paid as (
    select order_id, amount_cents, currency, method, paid_at from payments where kind = 'single'
    union all
    select order_id, amount_cents, currency, method, paid_at from fresh_payments
    where kind = 'single' and getvariable('day') = 1
),
cancelled as (
    select id as order_id, status
    from (select * from orders union all by name select * from new_orders)
    qualify row_number() over (partition by id order by day desc) = 1
)
select
    paid.* exclude (paid_at),
    getvariable('known_payments') + (select count(distinct payment_id) from fresh_payments)
        + row_number() over (order by order_id) as payment_id,
    'refunded' as status,
    greatest(part_of(paid_at, getvariable('window_end'), 'payment.refund', order_id),
        getvariable('window_start')) as paid_at,
    'refund' as kind,
from paid
inner join cancelled using (order_id)
where cancelled.status = 'cancelled'
    and order_id not in (select order_id from payments where kind = 'refund')
qualify row_number() over (order by daily('payment.refund', order_id)) <= getvariable('refunds')
"""

ALL = """
create temp table new_payments as
with shuffled as (
    select
        *,
        kind = 'single' and order_status <> 'cancelled' as is_plain,
        row_number() over (partition by is_plain order by daily('payment.dirt', order_id))
            as place,
        (1 + count(*) over (partition by is_plain)) // 2 as most,
    from fresh_payments
),
dirtied as (
    select shuffled.* exclude (place, most, is_plain, order_status), plan.kind as dirt
    from shuffled
    left join plan
        on plan.table_name = 'payments' and shuffled.is_plain
        and shuffled.place <= shuffled.most
        and shuffled.place > plan.low and shuffled.place <= plan.high
),
copies as (
    select * replace ('copy' as kind)
    from dirtied
    where kind = 'single' and dirt is null
    qualify row_number() over (order by daily('payment.copy', order_id))
        <= getvariable('redelivered')
),
messages as (
    select * from dirtied
    union all by name
    select * from copies
    union all by name
    select * from refunds
)
select
    getvariable('day') as day,
    row_number() over (
        order by
            greatest(paid_at, getvariable('window_start')) + to_minutes(if(kind = 'copy', 3, 0)),
            payment_id, paid_at, kind desc
    ) as number,
    *,
from messages
"""
