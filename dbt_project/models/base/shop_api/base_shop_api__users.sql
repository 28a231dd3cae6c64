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
            case
                when coalesce(trim(email), '') = '' then 'email is missing'
                when trim(email) not like '%_@_%' then 'email is malformed'
            end,
            case
                when {{ utc('created_at') }} >= '2100-01-01'
                    then 'created_at is in the future'
            end
        ), '') as reasons
    from {{ source('shop_api', 'users') }}
    where
        {{ is_committed('shop_api') }}
        and id in (select touched._key from touched)
),

final as (
    select
        judged.id,
        {{ pii('judged.email') }} as email,
        {{ pii('judged.first_name') }} as first_name,
        {{ pii('judged.last_name') }} as last_name,
        {{ pii('judged.phone') }} as phone,
        judged.country_code,
        judged.is_marketing_opt_in,
        judged.created_at,
        judged.updated_at,
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
