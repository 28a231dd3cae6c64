{% set last_first = 'told.updated_at desc nulls last, told._dlt_load_id desc' %}
with

touched as (
    {{ arrived_keys('shop_db', 'orders') }}
),

told as (
    {{ told_of_touched('shop_db', 'orders', last_first) }}
),

final as (
    select
        id,
        user_id,
        status,
        currency,
        ordered_at,
        shipped_at,
        updated_at,
        deleted_at,
        _dlt_load_id,
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
        ), '') as reasons,
        _key,
        _load_id,
        _dlt_load_id is not null as _is_current,
        {{ code_version() }} as _code
    from told
    where _rank = 1
)

select * from final
