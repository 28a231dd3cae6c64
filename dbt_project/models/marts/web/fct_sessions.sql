{{ config(unique_key='session_id', full_refresh=false) }}

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
        {% if is_incremental() %}
        coalesce((
            select min(present.started_at) from {{ this }} as present
            where
                present.user_id = changed.user_id
                and changed.changed_at >= present.started_at
                and changed.changed_at <= present.ended_at + interval '30 minutes'
        ), changed.changed_at) as starts_at
        {% else %}
        changed.changed_at as starts_at
        {% endif %}
    from changed
),

cut as (
    select
        events.*,
        coalesce(events.occurred_at <= lag(events.occurred_at) over (
            partition by events.user_id order by events.occurred_at, events.event_id
        ) + interval '30 minutes', false) as is_continued
    from {{ ref('stg_event_files__events') }} as events
    inner join starts on events.user_id = starts.user_id and events.occurred_at >= starts.starts_at
),

numbered as (
    select
        *,
        count(case when not is_continued then 1 end) over (
            partition by user_id order by occurred_at, event_id rows unbounded preceding
        ) as number
    from cut
),

final as (
    select
        max(case when not is_continued then event_id end) as session_id,
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
where not exists (select 1 from final where final.session_id = present.session_id)
{% endif %}
