{{ config(schema='quarantine', alias='stg_shop_api__users') }}

select
    id,
    email,
    first_name,
    last_name,
    phone,
    country_code,
    is_marketing_opt_in,
    created_at,
    updated_at,
    _dlt_load_id,
    reasons
from {{ ref('base_shop_api__users') }}
where _is_current and reasons is not null
