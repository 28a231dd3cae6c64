{% macro generate_schema_name(custom_schema_name, node) %}
    {#- A schema is named once, in dbt_project.yml; only a developer's own target prefixes it. -#}
    {%- set name = (custom_schema_name or target.schema) | trim -%}
    {{ name if target.name in var('shared_targets') else target.schema ~ '_' ~ name }}
{% endmacro %}
