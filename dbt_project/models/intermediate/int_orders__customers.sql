-- without CTEs: PostgreSQL finds no index through a view that has some
select
    orders.order_id,
    orders.user_id,
    orders.status,
    orders.currency,
    orders.ordered_at,
    orders.ordered_on,
    orders.shipped_at,
    orders.is_deleted,
    orders.updated_at,
    orders._load_id,
    customers.country_code as customer_country_code,
    customers.is_marketing_opt_in as is_customer_opted_in,
    present._load_id as _users_load_id
from {{ ref('stg_shop_db__orders') }} as orders
left join {{ ref('base_shop_api__users') }} as present
    on orders.user_id = present._key and present._is_current
left join {{ ref('dim_users_history') }} as customers
    on
        orders.user_id = customers.user_id
        and orders.ordered_at >= customers._applies_from
        and orders.ordered_at < customers._applies_until
