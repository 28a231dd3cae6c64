{% macro retain(days=90, chunk_rows=100000, as_of=none) %}
    {#- Deletes what arrived more than so many days ago, wherever the meta of a model or a source's
        table says `retain`: a condition, {before} being the load id that is old enough. -#}
    {%- set last = modules.datetime.datetime.fromisoformat(as_of) if as_of else run_started_at -%}
    {%- set before = "'%d'" % (last.timestamp() - days * 86400) -%}
    {%- for kind in [graph.nodes, graph.sources] if target.name in var('shared_targets') -%}
        {%- for node in kind.values() | sort(attribute='schema') if node.config.meta.retain -%}
            {%- set table = adapter.get_relation(target.database, node.schema, node.name) -%}
            {%- set condition = node.config.meta.retain.replace('{before}', before) -%}
            {%- do delete_rows(table, condition, chunk_rows) if table -%}
        {%- endfor -%}
    {%- endfor -%}
{% endmacro %}

{% macro delete_rows(table, condition, chunk_rows) %}
    {#- Deletes what meets a condition, so many rows in a transaction, and says how many. -#}
    {%- set found = 'select ' ~ row_place() ~ ' from ' ~ table ~ ' as old where ' ~ condition -%}
    {%- set count = run_query('select count(*) from (' ~ found ~ ') as found')[0][0] -%}
    {%- for _ in range(0, count, chunk_rows) %}
        {%- call statement('chunk', auto_begin=true) -%}
            delete from {{ table }} where {{ row_place() }} in ({{ found }} limit {{ chunk_rows }})
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endfor -%}
    {%- do log('retention: ' ~ count ~ ' rows deleted from ' ~ table, info=true) -%}
{% endmacro %}

{% macro row_place() -%}
    {{- return(adapter.dispatch('row_place')()) -}}
{%- endmacro %}

{% macro duckdb__row_place() -%}
    {{- return('rowid') -}}
{%- endmacro %}

{% macro postgres__row_place() -%}
    {{- return('ctid') -}}
{%- endmacro %}
