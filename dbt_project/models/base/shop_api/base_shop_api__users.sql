{% set last_first = 'told.updated_at desc nulls last, told._dlt_load_id desc' %}
with

touched as (
    {{ arrived_keys('shop_api', 'users') }}
    {% if is_incremental() %}
    union all
    {{ gone_keys('shop_api', 'users') }}
    {% endif %}
),

told as (
    {{ told_of_touched('shop_api', 'users', last_first) }}
),

final as (
    select
        id,
        {{ pii('email') }} as email,
        {{ pii('first_name') }} as first_name,
        {{ pii('last_name') }} as last_name,
        {{ pii('phone') }} as phone,
        country_code,
        is_marketing_opt_in,
        created_at,
        updated_at,
        _dlt_load_id,
        nullif(concat_ws(
            '; ',
            case
                when coalesce(trim(email), '') = '' then 'email is missing'
                when trim(email) not like '%_@_%' then 'email is malformed'
            end,
            case
                when {{ utc('created_at') }} >= '2100-01-01'
                    then 'created_at is in the future'
            end
        ), '') as reasons,
        _key,
        _load_id,
        _dlt_load_id is not null as _is_current,
        {{ code_version() }} as _code
    from told
    where _rank = 1
)

select * from final
