with

orders as (
    select * from {{ ref('fct_orders') }}
),

final as (
    select
        order_id,
        user_id,
        customer_country_code,
        status,
        currency,
        ordered_at,
        ordered_on,
        shipped_at,
        paid_at,
        count_items,
        amount,
        paid_amount,
        is_paid
    from orders
)

select * from final
