{{ config(meta={'raw_indexes': ['_dlt_load_id', 'id']}) }}

with

currencies as (
    select * from {{ ref('known_currencies') }}
),

loads as (
    select load_id from {{ source('shop_db', '_dlt_loads') }}
    where status = 0
),

arrivals as (
    select
        id as _key,
        _dlt_load_id
    from {{ source('shop_db', 'orders') }}
    where _dlt_load_id in (select loads.load_id from loads) and {{ is_new('_dlt_load_id') }}
),

touched as (
    select distinct _key from arrivals
),

-- only what is touched is ranked: the cost follows what is new
ranked as (
    select
        *,
        id as _key,
        max(_dlt_load_id) over (partition by id) as _load_id,
        row_number() over (
            partition by id
            order by updated_at desc nulls last, _dlt_load_id desc
        ) as _rank
    from {{ source('shop_db', 'orders') }}
    where
        _dlt_load_id in (select loads.load_id from loads)
        and id in (select touched._key from touched)
),

final as (
    select
        ranked.id,
        ranked.user_id,
        ranked.status,
        ranked.currency,
        ranked.ordered_at,
        ranked.shipped_at,
        ranked.updated_at,
        ranked.deleted_at,
        ranked._dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when ranked.user_id is null then 'user_id is missing' end,
            case
                when ranked.status in ('pending', 'paid', 'shipped', 'delivered', 'cancelled')
                    then null
                else 'status is unknown'
            end,
            case
                when ranked.currency in (select currencies.currency from currencies) then null
                else 'currency is unknown'
            end,
            case when ranked.ordered_at is null then 'ordered_at is missing' end,
            case
                when {{ utc('ranked.ordered_at') }} < '{{ var('first_plausible_at') }}'
                    then 'ordered_at is before 2000'
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
