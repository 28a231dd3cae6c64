{{ config(severity='error') }}

with

payments as (
    select
        order_id,
        sum(signed_amount) as paid_amount
    from {{ ref('stg_payment_queue__payments') }}
    group by order_id
)

select
    orders.order_id,
    orders.amount,
    orders.paid_amount,
    orders.is_paid,
    payments.paid_amount as paid_amount_of_payments
from {{ ref('fct_orders') }} as orders
left join payments on orders.order_id = payments.order_id
where
    orders.paid_amount <> coalesce(payments.paid_amount, 0)
    or orders.is_paid <> (orders.amount > 0 and orders.paid_amount >= orders.amount)
