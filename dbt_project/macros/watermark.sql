{% macro watermark(column='_load_id') -%}
    {#- The highest load id this table was built from, by one input: kept in the table's own rows,
        one column for each input. Empty for a table that is empty or built anew. -#}
    {%- if is_incremental() and execute -%}
        {%- set newest = 'select max(' ~ column ~ ') from ' ~ this -%}
        {{- run_query(newest).columns[0].values()[0] or '' -}}
    {%- endif -%}
{%- endmacro %}
