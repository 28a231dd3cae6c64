{% set key = "coalesce(event_id, _file || ':' || cast(_line as text))" %}
with

arrivals as (
    select
        {{ key }} as _key,
        max(_dlt_load_id) as _load_id
    from {{ source('event_files', 'events') }}
    where {{ is_committed('event_files', since=watermark()) }}
    group by {{ key }}
),

{% if is_incremental() %}
files as (
    select * from {{ source('event_files', '_files') }}
    where table_name = 'events' and {{ is_committed('event_files', since=watermark()) }}
),
{% endif %}

-- a file that arrives anew replaces its old rows: what it no longer holds is touched too
touched as (
    select * from arrivals
    {% if is_incremental() %}
    union all
    select
        present._key,
        files._dlt_load_id
    from {{ this }} as present
    inner join files on present._file = files.path
    where
        present._is_current
        and not exists (select 1 from arrivals where arrivals._key = present._key)
    {% endif %}
),

-- only what is touched is ranked and judged: the cost follows what is new
judged as (
    select
        *,
        {{ key }} as _key,
        row_number() over (
            partition by {{ key }}
            order by _dlt_load_id desc, _file desc, _line desc
        ) as _rank,
        nullif(concat_ws(
            '; ',
            case when event_id is null then 'event_id is missing' end,
            case when coalesce(trim(event_type), '') = '' then 'event_type is missing' end,
            case when occurred_at is null then 'occurred_at is missing' end,
            case when {{ utc('occurred_at') }} < '2000-01-01' then 'occurred_at is before 2000' end
        ), '') as reasons
    from {{ source('event_files', 'events') }}
    where
        {{ is_committed('event_files') }}
        and {{ key }} in (select touched._key from touched)
),

final as (
    select
        judged.event_id,
        judged.user_id,
        judged.event_type,
        judged.page_url,
        judged.product_id,
        judged.occurred_at,
        judged._file,
        judged._line,
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
