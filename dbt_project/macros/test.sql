{#- The rows that break a test are kept in a table of its name; a test that passes leaves none, and
    costs one query. -#}
{% materialization test, default %}
    {%- set before = adapter.get_relation(database, schema, model.alias) %}
    {%- set limit = config.get('limit') %}
    {%- set rows = get_limit_subquery_sql(sql, limit) if limit else sql %}
    {%- set rules = [config.get('fail_calc'), config.get('warn_if'), config.get('error_if'), none] %}
    {%- call statement('main', fetch_result=true) %}{{ get_test_sql(rows, *rules) }}{% endcall %}
    {%- if before %}{% do adapter.drop_relation(before) %}{% endif %}
    {%- set kept = [] %}
    {%- if should_store_failures() and load_result('main').table.rows[0][0] %}
        {%- do kept.append(api.Relation.create(database, schema, model.alias, type='table')) %}
        {%- call statement(auto_begin=true) %}{{ create_table_as(false, kept[0], rows) }}{% endcall %}
    {%- endif %}
    {%- if before or kept %}{% do adapter.commit() %}{% endif %}
    {{- return({'relations': kept}) }}
{% endmaterialization %}
