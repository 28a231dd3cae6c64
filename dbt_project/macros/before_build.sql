{% macro before_build() -%}
    {{- return(adapter.dispatch('before_build')()) -}}
{%- endmacro %}

{% macro default__before_build() -%}
{%- endmacro %}

{% macro postgres__before_build() -%}
    {#- Raw tables come without the indexes that base models look rows up by; and the planner is
        told that a row found by index costs little more than one read in passing. -#}
    {%- for index in model.config.meta.get('raw_indexes', []) if execute %}
        {%- set table = source(*(model.sources | rejectattr(1, 'eq', '_dlt_loads') | first)) %}
        create index if not exists "raw_{{ local_md5(table.render() ~ index)[:12] }}"
        on {{ table }} (({{ index }}));
    {%- endfor %}
    set local random_page_cost = 1.1
{%- endmacro %}
