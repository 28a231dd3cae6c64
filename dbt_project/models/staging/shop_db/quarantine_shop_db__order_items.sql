{{ config(schema='quarantine', alias='stg_shop_db__order_items') }}

with

judged as (
    select * from {{ ref('base_shop_db__order_items') }}
),

final as (
    select
        id,
        order_id,
        product_id,
        quantity,
        unit_price,
        updated_at,
        deleted_at,
        _dlt_load_id,
        reasons
    from judged
    where _is_current and reasons is not null
)

select * from final
