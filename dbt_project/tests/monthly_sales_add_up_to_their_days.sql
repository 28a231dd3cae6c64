{{ config(severity='error') }}

with

daily as (
    select
        cast({{ dbt.date_trunc('month', 'ordered_on') }} as date) as ordered_month,
        currency,
        sum(count_orders) as count_orders,
        sum(revenue) as revenue
    from {{ ref('agg_daily_sales') }}
    group by 1, 2
)

select
    daily.ordered_month,
    daily.currency,
    daily.count_orders,
    daily.revenue,
    monthly.ordered_month as told_month,
    monthly.currency as told_currency,
    monthly.count_orders as told_count_orders,
    monthly.revenue as told_revenue
from daily
full join {{ ref('rpt_monthly_sales') }} as monthly
    on daily.ordered_month = monthly.ordered_month and daily.currency = monthly.currency
where
    daily.count_orders is distinct from monthly.count_orders
    or daily.revenue is distinct from monthly.revenue
