{% set key = "coalesce(event_id, _file || ':' || cast(_line as text))" %}
{{ config(
    meta={'raw_indexes': ['_dlt_load_id', key]},
    indexes=[
        {'columns': ['_key']},
        {'columns': ['_load_id']},
        {'columns': ['_file']},
    ],
) }}

with

loads as (
    select load_id from {{ source('event_files', '_dlt_loads') }}
    where status = 0
),

arrivals as (
    select
        {{ key }} as _key,
        _file,
        _dlt_load_id
    from {{ source('event_files', 'events') }}
    where _dlt_load_id in (select loads.load_id from loads) and {{ is_new('_dlt_load_id') }}
),

-- as an array, of which PostgreSQL expects that it is short
files as (
    select unnest(array_agg(distinct _file)) as _file from arrivals
),

-- a file that arrives anew replaces its old rows: what it no longer holds is touched too
touched as (
    select _key from arrivals
    {% if is_incremental() %}
    union
    select _key from {{ this }}
    where _file in (select files._file from files)
    {% endif %}
),

-- only what is touched is ranked: the cost follows what is new
ranked as (
    select
        *,
        {{ key }} as _key,
        max(_dlt_load_id) over (partition by {{ key }}) as _load_id,
        row_number() over (
            partition by {{ key }}
            order by _dlt_load_id desc, _file desc, _line desc
        ) as _rank
    from {{ source('event_files', 'events') }}
    where
        _dlt_load_id in (select loads.load_id from loads)
        and {{ key }} in (select touched._key from touched)
),

final as (
    select
        ranked.event_id,
        ranked.user_id,
        ranked.event_type,
        ranked.page_url,
        ranked.product_id,
        ranked.occurred_at,
        ranked._file,
        ranked._line,
        ranked._dlt_load_id,
        nullif(concat_ws(
            '; ',
            case when ranked.event_id is null then 'event_id is missing' end,
            case when coalesce(trim(ranked.event_type), '') = '' then 'event_type is missing' end,
            case when ranked.occurred_at is null then 'occurred_at is missing' end,
            case
                when {{ utc('ranked.occurred_at') }} < '{{ var('first_plausible_at') }}'
                    then 'occurred_at is before 2000'
            end
        ), '') as reasons,
        touched._key,
        coalesce(ranked._load_id, (select max(arrivals._dlt_load_id) from arrivals)) as _load_id,
        ranked._key is not null as _is_current,
        {{ code_version() }} as _code
    from touched
    left join ranked on touched._key = ranked._key and ranked._rank = 1
)

select * from final
