{{ config(unique_key='id') }}

with

users as (
    select * from {{ ref('stg_shop_api__users') }}
    where _load_id > '{{ watermark() }}'
),

replaced as (
    select distinct id
    from {{ ref('base_shop_api__users') }}
    where not _is_current and _load_id > '{{ watermark() }}'
),

final as (
    select
        coalesce(users.user_id, replaced.id) as id,
        users.email,
        users.full_name,
        users.created_at,
        users.updated_at,
        {{ arrived_at('users._load_id') }} as processed_at,
        users._load_id,
        case when users.user_id is not null then {{ code_version() }} end as _code
    from users
    full join replaced on users.user_id = replaced.id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
