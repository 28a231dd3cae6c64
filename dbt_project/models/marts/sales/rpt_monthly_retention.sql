{{ config(materialized='table') }}

with

active as (
    select distinct
        user_id,
        cast({{ dbt.date_trunc('month', 'ordered_on') }} as date) as ordered_month
    from {{ ref('fct_orders') }}
    where status <> 'cancelled'
),

cohorts as (
    select
        user_id,
        min(ordered_month) as cohort_month
    from active
    group by user_id
),

sizes as (
    select
        cohort_month,
        count(*) as count_cohort
    from cohorts
    group by cohort_month
),

final as (
    select
        cohorts.cohort_month,
        active.ordered_month,
        cast(
            12 * (
                extract(year from active.ordered_month) - extract(year from cohorts.cohort_month)
            )
            + extract(month from active.ordered_month)
            - extract(month from cohorts.cohort_month) as bigint
        ) as months_since,
        sizes.count_cohort,
        count(*) as count_retained,
        {{ amount_per('100 * count(*)', 'sizes.count_cohort') }} as retention_percent
    from active
    inner join cohorts on active.user_id = cohorts.user_id
    inner join sizes on cohorts.cohort_month = sizes.cohort_month
    group by cohorts.cohort_month, active.ordered_month, sizes.count_cohort
)

select * from final
