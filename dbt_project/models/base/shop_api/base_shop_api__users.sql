with

arrivals as (
    select
        id as _key,
        max(_dlt_load_id) as _load_id
    from {{ source('shop_api', 'users') }}
    where {{ is_committed('shop_api', since=watermark()) }}
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
    left join {{ source('shop_api', 'users') }} as told on present._key = told.id
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
    left join {{ source('shop_api', 'users') }} as told
        on touched._key = told.id and told.{{ is_committed('shop_api') }}
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
    from latest
    where _rank = 1
)

select * from final
