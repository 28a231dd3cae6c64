{% test known_or_refused(model, column_name, to, field, quarantine, quarantine_field, rejects, rejects_table) %}

select {{ column_name }}
from {{ model }}
where
    {{ column_name }} is not null
    and {{ column_name }} not in (select {{ field }} from {{ to }})
    and {{ column_name }} not in (
        select {{ quarantine_field }} from {{ quarantine }} where {{ quarantine_field }} is not null
    )
    -- a row that could not be read is told by its key in the source
    and cast({{ column_name }} as {{ dbt.type_string() }}) not in (
        select position from {{ rejects }}
        where table_name = '{{ rejects_table }}' and position is not null
    )

{% endtest %}
