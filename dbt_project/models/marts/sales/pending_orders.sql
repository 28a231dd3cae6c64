{{ config(materialized='table') }}

with

orders as (
    select * from {{ ref('fct_orders') }}
),

-- ages are counted from the last word of the shop, so that a rerun says the same
clock as (
    select max(updated_at) as now_at from orders
),

pending as (
    select
        order_id,
        user_id,
        status,
        currency,
        amount,
        paid_amount,
        case when is_paid then 'paid, not shipped' else 'shipped, not paid' end as pending_reason,
        case when is_paid then paid_at else shipped_at end as pending_since_at
    from orders
    where
        (is_paid and shipped_at is null and status not in ('shipped', 'delivered', 'cancelled'))
        or (not is_paid and (shipped_at is not null or status in ('shipped', 'delivered')))
),

final as (
    select
        pending.*,
        cast(
            cast(clock.now_at as date) - cast(pending.pending_since_at as date) as bigint
        ) as age_days
    from pending
    cross join clock
)

select
    *,
    case
        when age_days is null then 'unknown'
        when age_days <= 1 then '0 to 1 days'
        when age_days <= 7 then '2 to 7 days'
        when age_days <= 30 then '8 to 30 days'
        else 'over 30 days'
    end as age_group
from final
