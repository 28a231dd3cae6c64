{% macro is_new(load_id, watermark='_load_id') -%}
    {#- True for what arrived since this table's rows were computed, by an input's load id.
        Rows computed by other code do not count: then everything is new. -#}
    {%- if is_incremental() -%}
        {{ load_id }} > (
            select coalesce(max(present.{{ watermark }}), '')
            from {{ this }} as present
            where present._code = {{ code_version() }}
        )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
