{{ config(materialized='table') }}

with

-- who was refused or gone for a while comes back with a time of the source that is before the
-- time at which that was seen: what follows ends what was before
versions as (
    select
        *,
        cast(dbt_is_deleted as boolean) as is_deleted,
        row_number() over (
            partition by user_id order by dbt_valid_from, dbt_is_deleted, dbt_valid_to
        ) as version_number,
        lead(dbt_valid_from) over (
            partition by user_id, dbt_is_deleted order by dbt_valid_from, dbt_valid_to
        ) as next_from
    from {{ ref('users_snapshot') }}
),

final as (
    select
        dbt_scd_id || '-' || cast(version_number as {{ dbt.type_string() }}) as user_version_id,
        user_id,
        email,
        first_name,
        last_name,
        full_name,
        country_code,
        is_marketing_opt_in,
        dbt_valid_from as valid_from,
        case when next_from < dbt_valid_to then next_from else dbt_valid_to end as valid_to,
        dbt_valid_to is null and not is_deleted as is_current,
        is_deleted,
        -- what a user was before the first load is not known: taken as at first
        case
            when is_deleted then null
            when version_number = 1 then '1900-01-01'
            else dbt_valid_from
        end as _applies_from,
        coalesce(next_from, '9999-12-31') as _applies_until
    from versions
)

select * from final
