{% macro index_source() -%}
    {#- What a base model looks raw rows up by; raw tables come without an index of their own. -#}
    {{- return(adapter.dispatch('index_source')()) if execute -}}
{%- endmacro %}

{% macro default__index_source() -%}
    {%- set table = source(*(model.sources | rejectattr(1, 'eq', '_dlt_loads') | first)) -%}
    {%- for expression in ['_dlt_load_id', model.config.meta.key] %}
        create index if not exists "raw_{{ local_md5(table.render() ~ expression)[:12] }}"
        on {{ table }} (({{ expression }}));
    {%- endfor -%}
{%- endmacro %}

{% macro duckdb__index_source() -%}
{%- endmacro %}
