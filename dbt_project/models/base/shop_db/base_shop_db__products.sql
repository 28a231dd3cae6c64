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
latest as (
    select
        told.*,
        touched._key,
        touched._load_id,
        row_number() over (
            partition by touched._key
            order by told.updated_at desc nulls last, told._dlt_load_id desc
        ) as _rank
    from touched
    left join {{ source('shop_db', 'products') }} as told
        on touched._key = told.id and told.{{ is_committed('shop_db') }}
),

final as (
    select
        id,
        sku,
        name,
        category,
        price,
        currency,
        is_active,
        created_at,
        updated_at,
        deleted_at,
        _dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when coalesce(trim(sku), '') = '' then 'sku is missing' end,
            case when price < 0 then 'price is negative' end
        ), '') as reasons,
        _key,
        _load_id,
        _dlt_load_id is not null as _is_current,
        {{ code_version() }} as _code
    from latest
    where _rank = 1
)

select * from final
