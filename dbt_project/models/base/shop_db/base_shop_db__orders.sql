with

touched as (
    select
        id as _key,
        max(_dlt_load_id) as _load_id
    from {{ source('shop_db', 'orders') }}
    where {{ is_committed('shop_db', since=watermark()) }}
    group by id
),

-- only what is touched is ranked and judged: the cost follows what is new
judged as (
    select
        *,
        id as _key,
        row_number() over (
            partition by id
            order by updated_at desc nulls last, _dlt_load_id desc
        ) as _rank,
        nullif(concat_ws(
            '; ',
            case when user_id is null then 'user_id is missing' end,
            case
                when status in ('pending', 'paid', 'shipped', 'delivered', 'cancelled') then null
                else 'status is unknown'
            end,
            case
                when currency in (select known.currency from {{ ref('known_currencies') }} as known)
                    then null
                else 'currency is unknown'
            end,
            case when ordered_at is null then 'ordered_at is missing' end,
            case when {{ utc('ordered_at') }} < '2000-01-01' then 'ordered_at is before 2000' end
        ), '') as reasons
    from {{ source('shop_db', 'orders') }}
    where
        {{ is_committed('shop_db') }}
        and id in (select touched._key from touched)
),

final as (
    select
        judged.id,
        judged.user_id,
        judged.status,
        judged.currency,
        judged.ordered_at,
        judged.shipped_at,
        judged.updated_at,
        judged.deleted_at,
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
