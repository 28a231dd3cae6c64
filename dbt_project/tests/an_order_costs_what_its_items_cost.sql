{{ config(severity='error') }}

with

items as (
    select
        order_id,
        sum(quantity) as count_items,
        sum(coalesce(amount, 0)) as amount
    from {{ ref('fct_order_items') }}
    group by order_id
)

select
    orders.order_id,
    orders.count_items,
    orders.amount,
    items.count_items as count_items_of_items,
    items.amount as amount_of_items
from {{ ref('fct_orders') }} as orders
left join items on orders.order_id = items.order_id
where
    orders.count_items <> coalesce(items.count_items, 0)
    or orders.amount <> coalesce(items.amount, 0)
