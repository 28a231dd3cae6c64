{{ config(severity='error') }}

with

orders as (
    select
        ordered_on,
        currency,
        count(*) as count_orders,
        sum(amount) as revenue
    from {{ ref('fct_orders') }}
    where status <> 'cancelled'
    group by ordered_on, currency
)

select
    orders.ordered_on,
    orders.currency,
    orders.count_orders,
    orders.revenue,
    daily.ordered_on as told_on,
    daily.currency as told_currency,
    daily.count_orders as told_count_orders,
    daily.revenue as told_revenue
from orders
full join {{ ref('agg_daily_sales') }} as daily
    on orders.ordered_on = daily.ordered_on and orders.currency = daily.currency
where
    orders.count_orders is distinct from daily.count_orders
    or orders.revenue is distinct from daily.revenue
