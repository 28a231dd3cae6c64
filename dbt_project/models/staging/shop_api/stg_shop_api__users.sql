select
    _key as user_id,
    lower(trim(email)) as email,
    trim(first_name) as first_name,
    trim(last_name) as last_name,
    trim(coalesce(trim(first_name), '') || ' ' || coalesce(trim(last_name), '')) as full_name,
    trim(phone) as phone,
    upper(trim(country_code)) as country_code,
    coalesce(is_marketing_opt_in, false) as is_marketing_opt_in,
    {{ utc('created_at') }} as created_at,
    {{ utc('updated_at') }} as updated_at,
    _load_id
from {{ ref('base_shop_api__users') }}
where _is_current and reasons is null
