{% set last_first = 'told.updated_at desc nulls last, told._dlt_load_id desc' %}
with

touched as (
    {{ arrived_keys('shop_db', 'order_items') }}
),

told as (
    {{ told_of_touched('shop_db', 'order_items', last_first) }}
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
    from told
    where _rank = 1
)

select * from final
