{{ config(schema='quarantine', alias='stg_event_files__events') }}

select
    event_id,
    user_id,
    event_type,
    page_url,
    product_id,
    occurred_at,
    _file,
    _line,
    _dlt_load_id,
    reasons
from {{ ref('base_event_files__events') }}
where _is_current and reasons is not null
