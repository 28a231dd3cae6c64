{{ config(materialized='table') }}

with

sold as (
    select
        cast({{ dbt.date_trunc('month', 'orders.ordered_on') }} as date) as ordered_month,
        orders.currency,
        items.product_id,
        cast(sum(items.quantity) as bigint) as count_items,
        cast(sum(items.amount) as numeric(18, 2)) as revenue
    from {{ ref('fct_order_items') }} as items
    inner join {{ ref('fct_orders') }} as orders on items.order_id = orders.order_id
    where orders.status <> 'cancelled' and items.product_id is not null
    group by ordered_month, orders.currency, items.product_id
),

ranked as (
    select
        *,
        row_number() over (
            partition by ordered_month, currency order by revenue desc, product_id asc
        ) as product_rank
    from sold
),

final as (
    select
        ranked.ordered_month,
        ranked.currency,
        ranked.product_rank,
        ranked.product_id,
        products.product_name,
        ranked.count_items,
        ranked.revenue
    from ranked
    left join {{ ref('dim_products') }} as products on ranked.product_id = products.product_id
    where ranked.product_rank <= 10
)

select * from final
