{% test every_row_accounted_for(model, raw, loads, quarantine, key) %}

with

committed as (
    select {{ key }} as _key from {{ raw }}
    where _dlt_load_id in (select load_id from {{ loads }} where status = 0)
),

counts as (
    select
        (select count(*) from committed) as count_raw,
        (select count(*) - count(distinct _key) from committed) as count_collapsed,
        (select count(*) from {{ model }}) as count_staging,
        (select count(*) from {{ quarantine }}) as count_quarantine
)

select * from counts
where count_raw <> count_staging + count_quarantine + count_collapsed

{% endtest %}
