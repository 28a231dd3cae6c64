{% set key = "coalesce(cast(payment_id as text), message_id)" %}
{{ config(
    meta={'raw_indexes': ['_dlt_load_id', key]},
    indexes=[
        {'columns': ['_key']},
        {'columns': ['_load_id']},
        {'columns': ['order_id']},
    ],
) }}

with

currencies as (
    select * from {{ ref('known_currencies') }}
),

loads as (
    select load_id from {{ source('payment_queue', '_dlt_loads') }}
    where status = 0
),

arrivals as (
    select
        {{ key }} as _key,
        _dlt_load_id
    from {{ source('payment_queue', 'payments') }}
    where _dlt_load_id in (select loads.load_id from loads) and {{ is_new('_dlt_load_id') }}
),

touched as (
    select distinct _key from arrivals
),

-- only what is touched is ranked: the cost follows what is new
ranked as (
    select
        *,
        {{ key }} as _key,
        max(_dlt_load_id) over (partition by {{ key }}) as _load_id,
        row_number() over (
            partition by {{ key }}
            order by split_part(message_id, '-', 1) desc, length(message_id) desc, message_id desc
        ) as _rank
    from {{ source('payment_queue', 'payments') }}
    where
        _dlt_load_id in (select loads.load_id from loads)
        and {{ key }} in (select touched._key from touched)
),

final as (
    select
        ranked.message_id,
        ranked.payment_id,
        ranked.order_id,
        ranked.amount,
        ranked.currency,
        ranked.method,
        ranked.status,
        ranked.paid_at,
        ranked._dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when ranked.payment_id is null then 'payment_id is missing' end,
            case when ranked.order_id is null then 'order_id is missing' end,
            case when ranked.amount is null then 'amount is missing' end,
            case when ranked.amount < 0 then 'amount is negative' end,
            case
                when ranked.currency in (select currencies.currency from currencies) then null
                else 'currency is unknown'
            end
        ), '') as reasons,
        touched._key,
        ranked._load_id,
        ranked._key is not null as _is_current,
        {{ code_version() }} as _code
    from touched
    left join ranked on touched._key = ranked._key and ranked._rank = 1
)

select * from final
