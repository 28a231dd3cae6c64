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
            case when order_id is null then 'order_id is missing' end,
            case when coalesce(quantity, 0) <= 0 then 'quantity is not positive' end,
            case when unit_price < 0 then 'unit_price is negative' end
        ), '') as reasons
    from {{ source('shop_db', 'order_items') }}
    where
        {{ is_committed('shop_db') }}
        and id in (select touched._key from touched)
),

final as (
    select
        judged.id,
        judged.order_id,
        judged.product_id,
        judged.quantity,
        judged.unit_price,
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
