with

users as (
    select * from {{ ref('dim_users') }}
    where is_marketing_opt_in
),

orders as (
    select
        user_id,
        count(*) as count_orders,
        sum(amount) as total_amount
    from {{ ref('fct_orders') }}
    where status <> 'cancelled'
    group by user_id
),

final as (
    select
        users.user_id,
        users.email,
        users.full_name,
        users.country_code,
        coalesce(orders.count_orders, 0) as count_orders,
        cast(coalesce(orders.total_amount, 0) as numeric(18, 2)) as total_amount
    from users
    left join orders on users.user_id = orders.user_id
)

select * from final
