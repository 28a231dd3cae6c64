{% set key = "coalesce(cast(payment_id as text), message_id)" %}
with

touched as (
    select
        {{ key }} as _key,
        max(_dlt_load_id) as _load_id
    from {{ source('payment_queue', 'payments') }}
    where {{ is_committed('payment_queue', since=watermark()) }}
    group by {{ key }}
),

-- only what is touched is ranked and judged: the cost follows what is new
judged as (
    select
        *,
        {{ key }} as _key,
        row_number() over (
            partition by {{ key }}
            order by split_part(message_id, '-', 1) desc, length(message_id) desc, message_id desc
        ) as _rank,
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
        ), '') as reasons
    from {{ source('payment_queue', 'payments') }}
    where
        {{ is_committed('payment_queue') }}
        and {{ key }} in (select touched._key from touched)
),

final as (
    select
        judged.message_id,
        judged.payment_id,
        judged.order_id,
        judged.amount,
        judged.currency,
        judged.method,
        judged.status,
        judged.paid_at,
        judged._dlt_load_id,
        judged.reasons,
        touched._key,
        touched._load_id,
        judged._key is not null as _is_current,
        {{ code_version() }} as _code
    from touched
    left join judged on touched._key = judged._key and judged._rank = 1
)

select * from final
