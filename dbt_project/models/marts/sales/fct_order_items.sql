{{ config(unique_key='order_item_id') }}

with

items as (
    select * from {{ ref('stg_shop_db__order_items') }}
    where not is_deleted and _load_id > '{{ watermark() }}'
),

replaced as (
    select distinct id as order_item_id
    from {{ ref('base_shop_db__order_items') }}
    where not _is_current and _load_id > '{{ watermark() }}'
),

final as (
    select
        coalesce(items.order_item_id, replaced.order_item_id) as order_item_id,
        items.order_id,
        items.product_id,
        items.quantity,
        items.unit_price,
        cast(items.quantity * items.unit_price as numeric(18, 2)) as amount,
        items.updated_at,
        items._load_id,
        case when items.order_item_id is not null then {{ code_version() }} end as _code
    from items
    full join replaced on items.order_item_id = replaced.order_item_id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
