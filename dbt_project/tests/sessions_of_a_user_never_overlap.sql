{{ config(severity='error') }}

with

-- a session whose events retention has taken is as it was, whatever comes late
kept as (
    select
        sessions.user_id,
        sessions.session_id,
        sessions.started_at,
        sessions.ended_at
    from {{ ref('fct_sessions') }} as sessions
    inner join {{ ref('fct_events') }} as events on sessions.session_id = events.event_id
),

followed as (
    select
        user_id,
        session_id,
        started_at,
        ended_at,
        lead(session_id) over by_user as next_session_id,
        lead(started_at) over by_user as next_started_at
    from kept
    window by_user as (partition by user_id order by started_at, session_id)
)

select
    user_id,
    session_id,
    started_at,
    ended_at,
    next_session_id,
    next_started_at
from followed
where next_started_at <= ended_at + interval '30 minutes'
