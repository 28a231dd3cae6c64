{% set key = "coalesce(told.event_id, told._file || ':' || cast(told._line as text))" %}
with

arrivals as (
    select
        told.*,
        {{ key }} as _key,
        told._dlt_load_id as _load_id
    from {{ source('event_files', 'events') }} as told
    where told.{{ is_committed('event_files', since=watermark()) }}
),

{% if is_incremental() %}
-- a file that arrives anew replaces its old rows: what it no longer holds may be in another
left_behind as (
    select
        present._key,
        files._dlt_load_id as _load_id
    from {{ this }} as present
    inner join {{ source('event_files', '_files') }} as files on present._file = files.path
    where
        present._is_current
        and files.table_name = 'events'
        and files.{{ is_committed('event_files', since=watermark()) }}
        and not exists (select 1 from arrivals where arrivals._key = present._key)
),

elsewhere as (
    select
        told.*,
        left_behind._key,
        left_behind._load_id
    from left_behind
    left join {{ source('event_files', 'events') }} as told
        on left_behind._key = {{ key }} and told.{{ is_committed('event_files') }}
),
{% endif %}

latest as (
    select
        *,
        row_number() over (
            partition by _key order by _dlt_load_id desc, _file desc, _line desc
        ) as _rank
    from {% if is_incremental() %} (
        select * from arrivals union all select * from elsewhere
    ) as told {% else %} arrivals {% endif %}
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

-- what arrived together lies together, so that a change of it touches few pages
select * from final
order by _dlt_load_id, _file, _line
