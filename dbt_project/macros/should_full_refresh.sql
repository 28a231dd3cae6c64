{% macro should_full_refresh() %}
    {#- As dbt's own; and a table that was computed by other SQL than today's is built anew. -#}
    {%- set told = config.get('full_refresh') -%}
    {{- return(flags.FULL_REFRESH or is_outdated() if told is none else told) -}}
{% endmacro %}

{% macro is_outdated() %}
    {#- Whether this table's rows carry another code version than this model's. -#}
    {%- set table = load_cached_relation(this) if execute and '_code' in model.columns -%}
    {%- if table and table.is_table -%}
        {%- set codes = run_query('select _code from ' ~ this ~ ' limit 1').columns[0].values() -%}
        {{- return(codes | map('string') | reject('eq', code_version()) | list | length > 0) -}}
    {%- endif -%}
    {{- return(false) -}}
{% endmacro %}
