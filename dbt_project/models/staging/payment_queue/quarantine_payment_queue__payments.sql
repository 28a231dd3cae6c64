{{ config(schema='quarantine', alias='stg_payment_queue__payments') }}

with

judged as (
    select * from {{ ref('base_payment_queue__payments') }}
),

final as (
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
    from judged
    where _is_current and reasons is not null
)

select * from final
