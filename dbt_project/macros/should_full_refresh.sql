{% macro should_full_refresh() %}
    {#- As dbt's own; and what was computed by other SQL than today's is built anew, as is each time
        what names no key by which a part of it could be replaced. -#}
    {%- set told = config.get('full_refresh') -%}
    {%- set keyless = config.get('materialized') == 'incremental' and not config.get('unique_key') -%}
    {{- return(flags.FULL_REFRESH or keyless or is_outdated() if told is none else told) -}}
{% endmacro %}
