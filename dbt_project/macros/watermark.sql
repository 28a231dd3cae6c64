{% macro watermark(column='_load_id') -%}
    {#- The highest load id this table was built from, by one input: kept in the table's own rows,
        one column for each input. Empty for a table that is empty or is to be built anew. -#}
    {%- if execute and is_incremental() and not flags.FULL_REFRESH and not is_outdated() -%}
        {%- set newest = 'select max(' ~ column ~ ') from ' ~ this -%}
        {{- run_query(newest).columns[0].values()[0] or '' -}}
    {%- endif -%}
{%- endmacro %}
