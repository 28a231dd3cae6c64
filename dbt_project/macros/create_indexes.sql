{% macro duckdb__create_indexes(relation) -%}
    {#- DuckDB scans a column faster than it keeps an index; a model's indexes are for others. -#}
{%- endmacro %}
