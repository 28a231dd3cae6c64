{% macro told_of_touched(source_name, table, last_first, key='told.id') -%}
    {#- All that committed loads tell of the keys in `touched`, ranked; nulls for what is gone. The
        cost follows what is touched: PostgreSQL looks each key up in raw by an index. -#}
    select
        told.*,
        touched._key,
        touched._load_id,
        row_number() over (partition by touched._key order by {{ last_first }}) as _rank
    from touched
    left join {{ source(source_name, table) }} as told
        on touched._key = {{ key }} and told.{{ is_committed(source_name) }}
{%- endmacro %}
