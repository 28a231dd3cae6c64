{% set last_first = 'told.updated_at desc nulls last, told._dlt_load_id desc' %}
with

touched as (
    {{ arrived_keys('shop_db', 'products') }}
    {% if is_incremental() %}
    union all
    {{ gone_keys('shop_db', 'products') }}
    {% endif %}
),

told as (
    {{ told_of_touched('shop_db', 'products', last_first) }}
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
    from told
    where _rank = 1
)

select * from final
