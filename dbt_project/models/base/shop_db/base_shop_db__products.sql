with

arrivals as (
    select
        id as _key,
        max(_dlt_load_id) as _load_id
    from {{ source('shop_db', 'products') }}
    where {{ is_committed('shop_db', since=watermark()) }}
    group by id
),

-- what is no longer in the source at all is touched too, with a mark above every load so far
touched as (
    select * from arrivals
    {% if is_incremental() %}
    union all
    select
        present._key,
        '{{ watermark() }}+' as _load_id
    from {{ this }} as present
    left join {{ source('shop_db', 'products') }} as told on present._key = told.id
    where present._is_current and told.id is null
    {% endif %}
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
            case when coalesce(trim(sku), '') = '' then 'sku is missing' end,
            case when price < 0 then 'price is negative' end
        ), '') as reasons
    from {{ source('shop_db', 'products') }}
    where
        {{ is_committed('shop_db') }}
        and id in (select touched._key from touched)
),

final as (
    select
        judged.id,
        judged.sku,
        judged.name,
        judged.category,
        judged.price,
        judged.currency,
        judged.is_active,
        judged.created_at,
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
