{{ config(
    unique_key='order_id',
    indexes=[
        {'columns': ['order_id'], 'unique': true},
        {'columns': ['_orders_load_id']},
        {'columns': ['_items_load_id']},
        {'columns': ['_payments_load_id']},
        {'columns': ['ordered_on', 'currency']},
    ],
) }}

with

touched as (
    select id as order_id
    from {{ ref('base_shop_db__orders') }}
    where _load_id > '{{ watermark('_orders_load_id') }}'
    union
    select order_id
    from {{ ref('base_shop_db__order_items') }}
    where order_id is not null and _load_id > '{{ watermark('_items_load_id') }}'
    union
    select order_id
    from {{ ref('base_payment_queue__payments') }}
    where order_id is not null and _load_id > '{{ watermark('_payments_load_id') }}'
),

orders as (
    select * from {{ ref('stg_shop_db__orders') }}
    where not is_deleted
),

items as (
    select
        order_id,
        cast(sum(quantity) as bigint) as count_items,
        cast(sum(quantity * unit_price) as numeric(18, 2)) as amount,
        max(_load_id) as _load_id
    from {{ ref('stg_shop_db__order_items') }}
    where not is_deleted and order_id in (select touched.order_id from touched)
    group by order_id
),

payments as (
    select
        order_id,
        cast(sum(
            case status when 'succeeded' then amount when 'refunded' then -amount else 0 end
        ) as numeric(18, 2)) as paid_amount,
        max(_load_id) as _load_id
    from {{ ref('stg_payment_queue__payments') }}
    where order_id in (select touched.order_id from touched)
    group by order_id
),

final as (
    select
        touched.order_id,
        orders.user_id,
        orders.status,
        orders.currency,
        orders.ordered_at,
        orders.ordered_on,
        orders.shipped_at,
        coalesce(items.count_items, 0) as count_items,
        coalesce(items.amount, 0) as amount,
        coalesce(payments.paid_amount, 0) as paid_amount,
        coalesce(items.amount > 0 and payments.paid_amount >= items.amount, false) as is_paid,
        orders.updated_at,
        orders._load_id as _orders_load_id,
        items._load_id as _items_load_id,
        payments._load_id as _payments_load_id,
        case when orders.order_id is not null then {{ code_version() }} end as _code
    from touched
    left join orders on touched.order_id = orders.order_id
    left join items on touched.order_id = items.order_id
    left join payments on touched.order_id = payments.order_id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
