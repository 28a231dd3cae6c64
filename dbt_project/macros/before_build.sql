{% macro before_build() -%}
    {{- return(adapter.dispatch('before_build')()) -}}
{%- endmacro %}

{% macro default__before_build() -%}
{%- endmacro %}

{% macro postgres__before_build() -%}
    {#- Raw tables come without the indexes that base models look rows up by. An increment shall use
        them, and a full build shall not; small tables need no more than a coarse look. -#}
    {%- for index, method in model.config.meta.get('raw_indexes', {}).items() if execute %}
        {%- set table = source(*(model.sources | rejectattr(1, 'eq', '_dlt_loads') | first)) %}
        create index if not exists "raw_{{ local_md5(table.render() ~ index)[:12] }}"
        on {{ table }} using {{ method }} (({{ index }}));
    {%- endfor %}
    {%- set increment = 'random_page_cost = 1.1; set local default_statistics_target = 10' %}
    {%- set is_full = not is_incremental() or flags.FULL_REFRESH or is_outdated() %}
    set local {{ 'enable_nestloop = off' if is_full else increment }}
{%- endmacro %}
