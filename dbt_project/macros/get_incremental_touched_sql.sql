{% macro get_incremental_touched_sql(args) %}
    {#- The model gives one row for each touched key; one without _code has left the table. -#}
    {%- set columns = args.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set key = args.unique_key if args.unique_key is string else args.unique_key | join(', ') -%}
    analyze {{ args.temp_relation }};
    delete from {{ args.target_relation }}
    where ({{ key }}) in (select {{ key }} from {{ args.temp_relation }});
    insert into {{ args.target_relation }} ({{ columns }})
    select {{ columns }} from {{ args.temp_relation }} where _code is not null
{% endmacro %}
