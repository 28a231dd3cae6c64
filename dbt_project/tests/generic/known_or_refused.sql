{% test known_or_refused(
    model, column_name, to, field, quarantine, quarantine_field, rejects, rejects_table
) %}

select told.{{ column_name }}
from {{ model }} as told
where
    told.{{ column_name }} is not null
    and not exists (
        select 1 from {{ to }} as known
        where known.{{ field }} = told.{{ column_name }}
    )
    and not exists (
        select 1 from {{ quarantine }} as refused
        where refused.{{ quarantine_field }} = told.{{ column_name }}
    )
    -- a row that could not be read is told by its key in the source
    and not exists (
        select 1 from {{ rejects }} as rejects
        where
            rejects.table_name = '{{ rejects_table }}'
            and rejects.position = cast(told.{{ column_name }} as {{ dbt.type_string() }})
    )

{% endtest %}
