{{ config(unique_key='user_id') }}

with

users as (
    select * from {{ ref('stg_shop_api__users') }}
    where _load_id > '{{ watermark() }}'
),

replaced as (
    select distinct id as user_id
    from {{ ref('base_shop_api__users') }}
    where not _is_current and _load_id > '{{ watermark() }}'
),

final as (
    select
        coalesce(users.user_id, replaced.user_id) as user_id,
        users.email,
        users.first_name,
        users.last_name,
        users.full_name,
        users.country_code,
        users.is_marketing_opt_in,
        users.created_at,
        users.updated_at,
        users._load_id,
        case when users.user_id is not null then {{ code_version() }} end as _code
    from users
    full join replaced on users.user_id = replaced.user_id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
