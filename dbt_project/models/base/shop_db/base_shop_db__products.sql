{{ config(meta={'raw_indexes': ['_dlt_load_id', 'id']}) }}

with

loads as (
    select load_id from {{ source('shop_db', '_dlt_loads') }}
    where status = 0
),

arrivals as (
    select
        id as _key,
        _dlt_load_id
    from {{ source('shop_db', 'products') }}
    where _dlt_load_id in (select loads.load_id from loads) and {{ is_new('_dlt_load_id') }}
),

-- what is no longer in the source at all is touched too
touched as (
    select _key from arrivals
    {% if is_incremental() %}
    union
    select _key from {{ this }}
    where _is_current and _key not in (
        select raw.id from {{ source('shop_db', 'products') }} as raw
    )
    {% endif %}
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
    from {{ source('shop_db', 'products') }}
    where
        _dlt_load_id in (select loads.load_id from loads)
        and id in (select touched._key from touched)
),

final as (
    select
        ranked.id,
        ranked.sku,
        ranked.name,
        ranked.category,
        ranked.price,
        ranked.currency,
        ranked.is_active,
        ranked.created_at,
        ranked.updated_at,
        ranked.deleted_at,
        ranked._dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when coalesce(trim(ranked.sku), '') = '' then 'sku is missing' end,
            case when ranked.price < 0 then 'price is negative' end
        ), '') as reasons,
        touched._key,
        coalesce(ranked._load_id, (select max(loads.load_id) from loads)) as _load_id,
        ranked._key is not null as _is_current,
        {{ code_version() }} as _code
    from touched
    left join ranked on touched._key = ranked._key and ranked._rank = 1
)

select * from final
