{{ config(materialized='table') }}

with

orders as (
    select
        *,
        cast({{ dbt.date_trunc('month', 'ordered_on') }} as date) as ordered_month
    from {{ ref('fct_orders') }}
    where status <> 'cancelled'
),

customers as (
    select
        user_id,
        min(ordered_month) as first_month
    from orders
    group by user_id
),

monthly as (
    select
        orders.ordered_month,
        orders.currency,
        count(*) as count_orders,
        count(distinct orders.user_id) as count_customers,
        count(distinct case
            when customers.first_month = orders.ordered_month then orders.user_id
        end) as count_new_customers,
        cast(sum(orders.amount) as numeric(18, 2)) as revenue
    from orders
    inner join customers on orders.user_id = customers.user_id
    group by orders.ordered_month, orders.currency
),

final as (
    select
        monthly.ordered_month,
        monthly.currency,
        monthly.count_orders,
        monthly.count_customers,
        monthly.count_new_customers,
        monthly.count_customers - monthly.count_new_customers as count_returning_customers,
        monthly.revenue,
        {{ amount_per('monthly.revenue', 'monthly.count_orders') }} as average_order_amount,
        previous.revenue as previous_revenue,
        cast(monthly.revenue - previous.revenue as numeric(18, 2)) as revenue_change,
        case when previous.revenue > 0 then {{ amount_per(
            'cast(10000 * monthly.revenue as bigint)', 'cast(100 * previous.revenue as bigint)'
        ) }} - 100 end as revenue_change_percent
    from monthly
    left join monthly as previous
        on
            monthly.currency = previous.currency
            and monthly.ordered_month = previous.ordered_month + interval '1 month'
)

select * from final
