{% set key = 'coalesce(cast(told.payment_id as text), told.message_id)' %}
-- a message's id is the time in milliseconds and a number
{% set last_first = "split_part(told.message_id, '-', 1) desc, length(told.message_id) desc,
    told.message_id desc" %}
with

touched as (
    {{ arrived_keys('payment_queue', 'payments', key) }}
),

told as (
    {{ told_of_touched('payment_queue', 'payments', last_first, key) }}
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
        nullif(concat_ws(
            '; ',
            case when payment_id is null then 'payment_id is missing' end,
            case when order_id is null then 'order_id is missing' end,
            case when amount is null then 'amount is missing' end,
            case when amount < 0 then 'amount is negative' end,
            case
                when currency in (select known.currency from {{ ref('known_currencies') }} as known)
                    then null
                else 'currency is unknown'
            end
        ), '') as reasons,
        _key,
        _load_id,
        _dlt_load_id is not null as _is_current,
        {{ code_version() }} as _code
    from told
    where _rank = 1
)

select * from final
