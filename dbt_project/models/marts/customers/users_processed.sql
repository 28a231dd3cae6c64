{{ config(unique_key='id') }}

with

touched as (
    select distinct id from {{ ref('base_shop_api__users') }}
    where _load_id > '{{ watermark() }}'
),

users as (
    select * from {{ ref('stg_shop_api__users') }}
),

final as (
    select
        touched.id,
        users.email,
        users.full_name,
        users.created_at,
        users.updated_at,
        {{ arrived_at('users._load_id') }} as processed_at,
        users._load_id,
        case when users.user_id is not null then {{ code_version() }} end as _code
    from touched
    left join users on touched.id = users.user_id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
