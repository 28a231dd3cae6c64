{{ config(unique_key='session_id', full_refresh=false) }}
{% set pause = "interval '30 minutes'" %}

with

changed as (
    select
        user_id,
        min({{ utc('occurred_at') }}) as changed_at
    from {{ ref('base_event_files__events') }}
    where user_id is not null and _load_id > '{{ watermark() }}'
    group by user_id
),

-- a user's events are cut anew from the session on that the first change falls into
starts as (
    select
        changed.user_id,
        coalesce(
            {% if is_incremental() %} (
                select min(old.started_at) from {{ this }} as old
                where
                    old.user_id = changed.user_id
                    and changed.changed_at between old.started_at and old.ended_at + {{ pause }}
            ), {% endif %}
            changed.changed_at
        ) as starts_at
    from changed
),

cut as (
    select
        events.*,
        events.occurred_at <= lag(events.occurred_at) over by_user + {{ pause }} as is_continued
    from {{ ref('stg_event_files__events') }} as events
    inner join starts on events.user_id = starts.user_id and events.occurred_at >= starts.starts_at
    window by_user as (partition by events.user_id order by events.occurred_at, events.event_id)
),

numbered as (
    select
        *,
        count(case when is_continued is not true then 1 end) over (
            partition by user_id order by occurred_at, event_id rows unbounded preceding
        ) as number
    from cut
),

final as (
    select
        max(case when is_continued is not true then event_id end) as session_id,
        user_id,
        min(occurred_at) as started_at,
        max(occurred_at) as ended_at,
        count(*) as count_events,
        max(case when event_type = 'checkout' then 1 else 0 end) = 1 as has_checkout,
        max(_load_id) as _load_id,
        {{ code_version() }} as _code
    from numbered
    group by user_id, number
)

select * from final
{% if is_incremental() %}
union all
select
    present.session_id,
    present.user_id,
    present.started_at,
    present.ended_at,
    present.count_events,
    present.has_checkout,
    present._load_id,
    cast(null as integer) as _code
from {{ this }} as present
inner join starts on present.user_id = starts.user_id and present.started_at >= starts.starts_at
-- what retention has taken the events of stays
where present.session_id in (select told._key from {{ ref('base_event_files__events') }} as told)
{% endif %}
