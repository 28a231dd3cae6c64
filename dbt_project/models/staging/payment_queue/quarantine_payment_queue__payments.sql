{{ config(schema='quarantine', alias='stg_payment_queue__payments') }}

select
    message_id,
    payment_id,
    order_id,
    amount,
    currency,
    method,
    status,
    paid_at,
    _dlt_load_id,
    reasons
from {{ ref('base_payment_queue__payments') }}
where _is_current and reasons is not null
