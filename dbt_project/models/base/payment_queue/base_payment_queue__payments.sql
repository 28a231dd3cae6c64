{% set key = "coalesce(cast(told.payment_id as text), told.message_id)" %}
with

touched as (
    select
        {{ key }} as _key,
        max(told._dlt_load_id) as _load_id
    from {{ source('payment_queue', 'payments') }} as told
    where told.{{ is_committed('payment_queue', since=watermark()) }}
    group by {{ key }}
),

-- only what is touched is ranked and judged: the cost follows what is new
latest as (
    select
        told.*,
        touched._key,
        touched._load_id,
        row_number() over (
            partition by touched._key
            order by
                split_part(told.message_id, '-', 1) desc,
                length(told.message_id) desc,
                told.message_id desc
        ) as _rank
    from touched
    left join {{ source('payment_queue', 'payments') }} as told
        on touched._key = {{ key }} and told.{{ is_committed('payment_queue') }}
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
    from latest
    where _rank = 1
)

select * from final
