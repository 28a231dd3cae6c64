{% test unique(model, column_name) %}

{#- As dbt's own. Where rows were tested already, those that arrived since are held against all. -#}
{%- set tested = env_var('TIDEMILL_TESTED_UNTIL', '') if execute -%}
{%- set columns = adapter.get_columns_in_relation(model) if tested and model.identifier -%}
select
    {{ column_name }} as unique_field,
    count(*) as n_records
from {{ model }}
where
    {{ column_name }} is not null
    {%- if columns and '_load_id' in columns | map(attribute='name') %}
    and {{ column_name }} in (
        select arrived.{{ column_name }} from {{ model }} as arrived
        where arrived._load_id > '{{ tested }}'
    )
    {%- endif %}
group by {{ column_name }}
having count(*) > 1

{% endtest %}
