{{ config(
    meta={'raw_indexes': ['_dlt_load_id', 'id']},
    indexes=[
        {'columns': ['_key']},
        {'columns': ['_load_id']},
        {'columns': ['order_id']},
    ],
) }}

with

loads as (
    select load_id from {{ source('shop_db', '_dlt_loads') }}
    where status = 0
),

arrivals as (
    select
        id as _key,
        _dlt_load_id
    from {{ source('shop_db', 'order_items') }}
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
    from {{ source('shop_db', 'order_items') }}
    where
        _dlt_load_id in (select loads.load_id from loads)
        and id in (select touched._key from touched)
),

final as (
    select
        ranked.id,
        ranked.order_id,
        ranked.product_id,
        ranked.quantity,
        ranked.unit_price,
        ranked.updated_at,
        ranked.deleted_at,
        ranked._dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when ranked.order_id is null then 'order_id is missing' end,
            case when coalesce(ranked.quantity, 0) <= 0 then 'quantity is not positive' end,
            case when ranked.unit_price < 0 then 'unit_price is negative' end
        ), '') as reasons,
        touched._key,
        ranked._load_id,
        ranked._key is not null as _is_current,
        {{ code_version() }} as _code
    from touched
    left join ranked on touched._key = ranked._key and ranked._rank = 1
)

select * from final
