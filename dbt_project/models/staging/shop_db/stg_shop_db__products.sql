select
    _key as product_id,
    sku,
    name as product_name,
    category,
    cast(price as numeric(18, 2)) as price,
    currency,
    is_active,
    deleted_at is not null as is_deleted,
    {{ utc('created_at') }} as created_at,
    {{ utc('updated_at') }} as updated_at,
    _load_id
from {{ ref('base_shop_db__products') }}
where _is_current and reasons is null
