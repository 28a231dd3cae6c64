{{ config(materialized='table') }}

with

versions as (
    select
        *,
        cast(dbt_is_deleted as boolean) as is_deleted,
        row_number() over (partition by user_id order by dbt_valid_from, dbt_updated_at) as version
    from {{ ref('users_snapshot') }}
),

final as (
    select
        dbt_scd_id as user_version_id,
        user_id,
        email,
        first_name,
        last_name,
        full_name,
        country_code,
        is_marketing_opt_in,
        dbt_valid_from as valid_from,
        dbt_valid_to as valid_to,
        dbt_valid_to is null and not is_deleted as is_current,
        is_deleted,
        -- what a user was before the first load is not known: taken as at first
        case when version = 1 then '1900-01-01' else dbt_valid_from end as _applies_from,
        coalesce(dbt_valid_to, '9999-12-31') as _applies_until
    from versions
)

select * from final
