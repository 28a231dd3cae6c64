select
    _key as event_id,
    user_id,
    event_type,
    page_url,
    product_id,
    {{ utc('occurred_at') }} as occurred_at,
    cast({{ utc('occurred_at') }} as date) as occurred_on,
    _load_id
from {{ ref('base_event_files__events') }}
where _is_current and reasons is null
