{{ config(unique_key='order_id') }}

with

touched as (
    select id as order_id from {{ ref('base_shop_db__orders') }}
    where _load_id > '{{ watermark('_orders_load_id') }}'
    union
    select order_id from {{ ref('base_shop_db__order_items') }}
    where
        order_id is not null
        and _load_id > '{{ watermark('_items_load_id') }}'
    union
    select order_id from {{ ref('base_payment_queue__payments') }}
    where
        order_id is not null
        and _load_id > '{{ watermark('_payments_load_id') }}'
    union
    select orders.id from {{ ref('base_shop_db__orders') }} as orders
    inner join {{ ref('base_shop_api__users') }} as buyers on orders.user_id = buyers._key
    where buyers._load_id > '{{ watermark('_users_load_id') }}'
),

-- what is touched is joined to one table at a time, which has an index for it
items as (
    select
        touched.order_id,
        cast(coalesce(sum(items.quantity), 0) as bigint) as count_items,
        cast(coalesce(sum(items.quantity * items.unit_price), 0) as numeric(18, 2)) as amount,
        max(items._load_id) as _items_load_id
    from touched
    left join {{ ref('stg_shop_db__order_items') }} as items
        on touched.order_id = items.order_id and not items.is_deleted
    group by touched.order_id
),

payments as (
    select
        items.*,
        cast(coalesce(sum(payments.signed_amount), 0) as numeric(18, 2)) as paid_amount,
        max(case when payments.status = 'succeeded' then payments.paid_at end) as paid_at,
        max(payments._load_id) as _payments_load_id
    from items
    left join {{ ref('stg_payment_queue__payments') }} as payments
        on items.order_id = payments.order_id
    group by items.order_id, items.count_items, items.amount, items._items_load_id
),

final as (
    select
        payments.order_id,
        orders.user_id,
        orders.customer_country_code,
        orders.is_customer_opted_in,
        orders.status,
        orders.currency,
        orders.ordered_at,
        orders.ordered_on,
        orders.shipped_at,
        payments.paid_at,
        payments.count_items,
        payments.amount,
        payments.paid_amount,
        payments.amount > 0 and payments.paid_amount >= payments.amount as is_paid,
        orders.updated_at,
        orders._load_id as _orders_load_id,
        payments._items_load_id,
        payments._payments_load_id,
        orders._users_load_id,
        case when orders.order_id is not null then {{ code_version() }} end as _code
    from payments
    left join {{ ref('int_orders__customers') }} as orders
        on payments.order_id = orders.order_id and not orders.is_deleted
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
