select
    _key as order_id,
    user_id,
    status,
    currency,
    {{ utc('ordered_at') }} as ordered_at,
    cast({{ utc('ordered_at') }} as date) as ordered_on,
    {{ utc('shipped_at') }} as shipped_at,
    deleted_at is not null as is_deleted,
    {{ utc('updated_at') }} as updated_at,
    _load_id
from {{ ref('base_shop_db__orders') }}
where _is_current and reasons is null
