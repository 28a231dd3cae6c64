{% macro get_incremental_superseding_sql(args) %}
    {#- A row that is replaced stays behind, no longer current, so that what was built from it
        (its old order, its old day) is touched too. -#}
    {%- set columns = args.dest_columns | map(attribute='quoted') | join(', ') -%}
    analyze {{ args.temp_relation }};
    update {{ args.target_relation }} as present
    set _is_current = false, _load_id = arrived._load_id
    from {{ args.temp_relation }} as arrived
    where present._key = arrived._key and present._is_current;
    insert into {{ args.target_relation }} ({{ columns }})
    select {{ columns }} from {{ args.temp_relation }} where _is_current
{% endmacro %}
