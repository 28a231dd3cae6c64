{{ config(schema='quarantine', alias='stg_shop_db__orders') }}

select
    id,
    user_id,
    status,
    currency,
    ordered_at,
    shipped_at,
    updated_at,
    deleted_at,
    _dlt_load_id,
    reasons
from {{ ref('base_shop_db__orders') }}
where _is_current and reasons is not null
