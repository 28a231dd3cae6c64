select
    _key as order_item_id,
    order_id,
    product_id,
    quantity,
    cast(unit_price as numeric(18, 2)) as unit_price,
    deleted_at is not null as is_deleted,
    {{ utc('updated_at') }} as updated_at,
    _load_id
from {{ ref('base_shop_db__order_items') }}
where _is_current and reasons is null
