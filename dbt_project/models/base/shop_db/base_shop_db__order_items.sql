with

touched as (
    select
        id as _key,
        max(_dlt_load_id) as _load_id
    from {{ source('shop_db', 'order_items') }}
    where {{ is_committed('shop_db', since=watermark()) }}
    group by id
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
    left join {{ source('shop_db', 'order_items') }} as told
        on touched._key = told.id and told.{{ is_committed('shop_db') }}
),

final as (
    select
        id,
        order_id,
        product_id,
        quantity,
        unit_price,
        updated_at,
        deleted_at,
        _dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when order_id is null then 'order_id is missing' end,
            case when coalesce(quantity, 0) <= 0 then 'quantity is not positive' end,
            case when unit_price < 0 then 'unit_price is negative' end
        ), '') as reasons,
        _key,
        _load_id,
        _dlt_load_id is not null as _is_current,
        {{ code_version() }} as _code
    from latest
    where _rank = 1
)

select * from final
