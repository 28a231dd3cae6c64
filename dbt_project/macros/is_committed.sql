{% macro is_committed(source_name, since='') -%}
    {#- True for raw rows of loads that were committed as a whole, and later than one, if given. -#}
    _dlt_load_id in (
        select loads.load_id from {{ source(source_name, '_dlt_loads') }} as loads
        where loads.status = 0 and loads.load_id > '{{ since }}'
    )
{%- endmacro %}
