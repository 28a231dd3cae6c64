{{ config(schema='quarantine', alias='stg_shop_db__order_items') }}

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
from {{ ref('base_shop_db__order_items') }}
where _is_current and reasons is not null
