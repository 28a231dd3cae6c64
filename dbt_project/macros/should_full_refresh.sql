{% macro should_full_refresh() %}
    {#- As dbt's own; and a table that was computed by other SQL than today's is built anew. -#}
    {%- set told = config.get('full_refresh') -%}
    {{- return(flags.FULL_REFRESH or is_outdated() if told is none else told) -}}
{% endmacro %}
