{{ config(schema='quarantine', alias='stg_shop_db__products') }}

select
    id,
    sku,
    name,
    category,
    price,
    currency,
    is_active,
    created_at,
    updated_at,
    deleted_at,
    _dlt_load_id,
    reasons
from {{ ref('base_shop_db__products') }}
where _is_current and reasons is not null
