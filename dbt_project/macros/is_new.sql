{% macro is_new(load_id, watermark='_load_id') -%}
    {#- True for what arrived since this table was last built, by an input's load id. The mark is
        kept in the table's own rows, one column for each input. -#}
    {%- if is_incremental() and execute -%}
        {%- set newest = "select coalesce(max(" ~ watermark ~ "), '') from " ~ this -%}
        {{ load_id }} > '{{ run_query(newest).rows[0][0] }}'
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
