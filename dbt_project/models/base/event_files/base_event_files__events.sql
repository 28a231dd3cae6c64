{% set key = "coalesce(event_id, _file || ':' || cast(_line as text))" %}
with

{% if is_incremental() %}
files as (
    select * from {{ source('event_files', '_files') }}
    where table_name = 'events' and {{ is_committed('event_files', since=watermark()) }}
),
{% endif %}

touched as (
    select
        {{ key }} as _key,
        max(_dlt_load_id) as _load_id
    from {{ source('event_files', 'events') }}
    where {{ is_committed('event_files', since=watermark()) }}
    group by {{ key }}
    {% if is_incremental() %}
    -- a file that arrives anew replaces its old rows: what it no longer holds is touched too
    union all
    select
        present._key,
        files._dlt_load_id
    from {{ this }} as present
    inner join files on present._file = files.path
    where present._is_current
    {% endif %}
),

told as (
    select
        *,
        {{ key }} as _told_key
    from {{ source('event_files', 'events') }}
    where {{ is_committed('event_files') }}
),

-- only what is touched is ranked and judged: the cost follows what is new
latest as (
    select
        told.*,
        touched._key,
        touched._load_id,
        row_number() over (
            partition by touched._key
            order by told._dlt_load_id desc, told._file desc, told._line desc, touched._load_id desc
        ) as _rank
    from touched
    left join told on touched._key = told._told_key
),

final as (
    select
        event_id,
        user_id,
        event_type,
        page_url,
        product_id,
        occurred_at,
        _file,
        _line,
        _dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when event_id is null then 'event_id is missing' end,
            case when coalesce(trim(event_type), '') = '' then 'event_type is missing' end,
            case when occurred_at is null then 'occurred_at is missing' end,
            case when {{ utc('occurred_at') }} < '2000-01-01' then 'occurred_at is before 2000' end
        ), '') as reasons,
        _key,
        _load_id,
        _dlt_load_id is not null as _is_current,
        {{ code_version() }} as _code
    from latest
    where _rank = 1
)

select * from final
