{{ config(unique_key=['ordered_on', 'currency']) }}

with

touched_orders as (
    select id as order_id
    from {{ ref('base_shop_db__orders') }}
    where _load_id > '{{ watermark('_orders_load_id') }}'
    union
    select order_id
    from {{ ref('base_shop_db__order_items') }}
    where _load_id > '{{ watermark('_items_load_id') }}'
),

-- every day and currency such an order is or was counted in
touched as (
    select distinct
        cast({{ utc('ordered_at') }} as date) as ordered_on,
        currency
    from {{ ref('base_shop_db__orders') }}
    where
        id in (select touched_orders.order_id from touched_orders)
        and ordered_at is not null
        and currency is not null
),

daily as (
    select
        touched.ordered_on,
        touched.currency,
        count(orders.order_id) as count_orders,
        count(distinct orders.user_id) as count_customers,
        cast(sum(orders.count_items) as bigint) as count_items,
        cast(sum(orders.amount) as numeric(18, 2)) as revenue,
        max(orders._orders_load_id) as _orders_load_id,
        max(orders._items_load_id) as _items_load_id
    from touched
    left join {{ ref('fct_orders') }} as orders
        on
            touched.ordered_on = orders.ordered_on
            and touched.currency = orders.currency
            and orders.status <> 'cancelled'
    group by touched.ordered_on, touched.currency
),

final as (
    select
        ordered_on,
        currency,
        count_orders,
        count_customers,
        count_items,
        revenue,
        {{ amount_per('revenue', 'nullif(count_orders, 0)') }} as average_order_amount,
        _orders_load_id,
        _items_load_id,
        case when count_orders > 0 then {{ code_version() }} end as _code
    from daily
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
