{{ config(unique_key='event_id') }}

with

events as (
    select * from {{ ref('stg_event_files__events') }}
    where _load_id > '{{ watermark() }}'
),

replaced as (
    select distinct event_id
    from {{ ref('base_event_files__events') }}
    where
        not _is_current
        and event_id is not null
        and _load_id > '{{ watermark() }}'
),

final as (
    select
        coalesce(events.event_id, replaced.event_id) as event_id,
        events.user_id,
        events.event_type,
        events.page_url,
        events.product_id,
        events.occurred_at,
        events.occurred_on,
        events._load_id,
        case when events.event_id is not null then {{ code_version() }} end as _code
    from events
    full join replaced on events.event_id = replaced.event_id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
