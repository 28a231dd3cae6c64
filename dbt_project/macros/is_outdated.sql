{% macro is_outdated() %}
    {#- Whether none of this table's rows carries this model's code version. -#}
    {%- set table = load_cached_relation(this) if execute and '_code' in model.columns -%}
    {%- if table and table.is_table -%}
        {%- set same = 'select 1 from ' ~ this ~ ' where _code = ' ~ code_version() ~ ' limit 1' -%}
        {{- return(run_query(same).rows | length == 0) -}}
    {%- endif -%}
    {{- return(false) -}}
{% endmacro %}
