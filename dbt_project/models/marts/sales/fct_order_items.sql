{{ config(unique_key='order_item_id') }}

with

touched as (
    select distinct id as order_item_id from {{ ref('base_shop_db__order_items') }}
    where _load_id > '{{ watermark() }}'
),

items as (
    select * from {{ ref('stg_shop_db__order_items') }}
),

final as (
    select
        touched.order_item_id,
        items.order_id,
        items.product_id,
        items.quantity,
        items.unit_price,
        cast(items.quantity * items.unit_price as numeric(18, 2)) as amount,
        items.updated_at,
        items._load_id,
        case when items.order_item_id is not null then {{ code_version() }} end as _code
    from touched
    left join items on touched.order_item_id = items.order_item_id and not items.is_deleted
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
