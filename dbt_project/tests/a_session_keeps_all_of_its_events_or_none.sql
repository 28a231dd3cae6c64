{{ config(severity='error') }}

with

events as (
    select
        user_id,
        count(*) as count_events
    from {{ ref('fct_events') }}
    where user_id is not null
    group by user_id
),

sessions as (
    select
        sessions.user_id,
        sum(sessions.count_events) as count_events
    from {{ ref('fct_sessions') }} as sessions
    inner join {{ ref('fct_events') }} as first_events
        on sessions.session_id = first_events.event_id
    group by sessions.user_id
)

select
    coalesce(events.user_id, sessions.user_id) as user_id,
    events.count_events,
    sessions.count_events as count_events_of_sessions
from events
full join sessions on events.user_id = sessions.user_id
where events.count_events is distinct from sessions.count_events
