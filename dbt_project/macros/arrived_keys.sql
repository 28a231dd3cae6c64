{% macro arrived_keys(source_name, table, key='told.id') -%}
    {#- What loads since this table's watermark brought: each key once, with the last of them. -#}
    select
        {{ key }} as _key,
        max(told._dlt_load_id) as _load_id
    from {{ source(source_name, table) }} as told
    where told.{{ is_committed(source_name, since=watermark()) }}
    group by {{ key }}
{%- endmacro %}
