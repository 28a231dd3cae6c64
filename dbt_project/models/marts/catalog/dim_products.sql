{{ config(unique_key='product_id') }}

with

products as (
    select * from {{ ref('stg_shop_db__products') }}
    where _load_id > '{{ watermark() }}'
),

replaced as (
    select distinct id as product_id
    from {{ ref('base_shop_db__products') }}
    where not _is_current and _load_id > '{{ watermark() }}'
),

final as (
    select
        coalesce(products.product_id, replaced.product_id) as product_id,
        products.sku,
        products.product_name,
        products.category,
        products.price,
        products.currency,
        products.is_active,
        products.is_deleted,
        products.created_at,
        products.updated_at,
        products._load_id,
        case when products.product_id is not null then {{ code_version() }} end as _code
    from products
    full join replaced on products.product_id = replaced.product_id
)

select * from final
{% if not is_incremental() %}
where _code is not null
{% endif %}
