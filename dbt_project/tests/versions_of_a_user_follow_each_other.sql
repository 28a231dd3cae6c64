{{ config(severity='error') }}

with

versions as (
    select
        user_version_id,
        user_id,
        valid_from,
        valid_to,
        _applies_from,
        _applies_until,
        lag(_applies_until) over by_user as previous_until,
        lead(_applies_from) over by_user as next_from,
        lead(valid_from) over by_user as next_valid_from
    from {{ ref('dim_users_history') }}
    where not is_deleted
    window by_user as (partition by user_id order by _applies_from, _applies_until)
)

select
    user_version_id,
    user_id,
    valid_from,
    valid_to,
    next_valid_from,
    _applies_from,
    _applies_until,
    previous_until,
    next_from
from versions
where
    _applies_from <> coalesce(previous_until, '1900-01-01')
    or _applies_until <> coalesce(next_from, '9999-12-31')
    or valid_to > next_valid_from
