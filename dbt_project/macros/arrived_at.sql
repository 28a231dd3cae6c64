{% macro arrived_at(load_id) -%}
    {#- When a load began, in UTC: dlt's load ids are seconds since 1970. -#}
    {{ utc("to_timestamp(cast(trim(trailing '+' from " ~ load_id ~ ") as double precision))") }}
{%- endmacro %}
