{% macro gone_keys(source_name, table) -%}
    {#- What is no longer in the source at all, with a mark above every load so far. -#}
    select
        present._key,
        '{{ watermark() }}+' as _load_id
    from {{ this }} as present
    left join {{ source(source_name, table) }} as told on present._key = told.id
    where present._is_current and told.id is null
{%- endmacro %}
