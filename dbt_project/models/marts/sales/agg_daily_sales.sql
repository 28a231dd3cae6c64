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

orders as (
    select * from {{ ref('fct_orders') }}
    where status <> 'cancelled'
),

daily as (
    select
        ordered_on,
        currency,
        count(*) as count_orders,
        count(distinct user_id) as count_customers,
        cast(sum(count_items) as bigint) as count_items,
        cast(sum(amount) as numeric(18, 2)) as revenue,
        max(_orders_load_id) as _orders_load_id,
        max(_items_load_id) as _items_load_id
    from orders
    where (ordered_on, currency) in (
        select
            touched.ordered_on,
            touched.currency
        from touched
    )
    group by ordered_on, currency
),

final as (
    select
        touched.ordered_on,
        touched.currency,
        daily.count_orders,
        daily.count_customers,
        daily.count_items,
        daily.revenue,
        {{ amount_per('daily.revenue', 'daily.count_orders') }} as average_order_amount,
        daily._orders_load_id,
        daily._items_load_id,
        case when daily.count_orders > 0 then {{ code_version() }} end as _code
    from touched
    left join daily
        on touched.ordered_on = daily.ordered_on and touched.currency = daily.currency
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
