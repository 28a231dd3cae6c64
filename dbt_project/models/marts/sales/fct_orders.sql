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
        cast(sum(signed_amount) as numeric(18, 2)) as paid_amount,
        max(case when status = 'succeeded' then paid_at end) as paid_at,
        max(_load_id) as _load_id
    from {{ ref('stg_payment_queue__payments') }}
    where order_id in (select touched.order_id from touched)
    group by order_id
),

final as (
    select
        touched.order_id,
        orders.user_id,
        orders.customer_country_code,
        orders.is_customer_opted_in,
        orders.status,
        orders.currency,
        orders.ordered_at,
        orders.ordered_on,
        orders.shipped_at,
        payments.paid_at,
        coalesce(items.count_items, 0) as count_items,
        cast(coalesce(items.amount, 0) as numeric(18, 2)) as amount,
        cast(coalesce(payments.paid_amount, 0) as numeric(18, 2)) as paid_amount,
        coalesce(items.amount > 0 and payments.paid_amount >= items.amount, false) as is_paid,
        orders.updated_at,
        orders._load_id as _orders_load_id,
        items._load_id as _items_load_id,
        payments._load_id as _payments_load_id,
        orders._users_load_id,
        case when orders.order_id is not null then {{ code_version() }} end as _code
    from touched
    left join {{ ref('int_orders__customers') }} as orders
        on touched.order_id = orders.order_id and not orders.is_deleted
    left join items on touched.order_id = items.order_id
    left join payments on touched.order_id = payments.order_id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
