{% macro retain(days=90, chunk_rows=100000, as_of=none) %}
    {#- Deletes events and rejects that arrived more than so many days ago, and versions that were
        replaced before that. What was built from them stays: dbt run-operation retain. -#}
    {%- set last = modules.datetime.datetime.fromisoformat(as_of) if as_of else run_started_at -%}
    {%- set old = "_load_id < '%d'" % (last.timestamp() - days * 86400) -%}
    {%- set events = adapter.get_relation(target.database, 'intermediate', 'base_event_files__events') -%}
    {%- set told = 'select _key from ' ~ events ~ ' where _is_current and _dlt' ~ old -%}
    {%- do delete_rows('marts', 'fct_events', 'event_id in (' ~ told ~ ')', chunk_rows) -%}
    {%- do delete_rows('intermediate', 'base_event_files__events', '_dlt' ~ old, chunk_rows) -%}
    {%- for table in graph.sources.values() if table.name in ['events', '_rejects'] -%}
        {%- do delete_rows(table.schema, table.name, '_dlt' ~ old, chunk_rows) -%}
    {%- endfor -%}
    {%- for model in graph.nodes.values() if model.config.incremental_strategy == 'superseding' -%}
        {%- do delete_rows(model.schema, model.name, 'not _is_current and ' ~ old, chunk_rows) -%}
    {%- endfor -%}
{% endmacro %}

{% macro delete_rows(schema, name, condition, chunk_rows) %}
    {#- Deletes what meets a condition, so many rows in a transaction, and says how many. -#}
    {%- set table = adapter.get_relation(target.database, schema, name) -%}
    {%- set found = 'select ' ~ row_place() ~ ' from ' ~ table ~ ' where ' ~ condition -%}
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
