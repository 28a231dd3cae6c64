{% test known_or_refused(model, column_name, to, field, quarantine, quarantine_field) %}

select {{ column_name }}
from {{ model }}
where
    {{ column_name }} is not null
    and {{ column_name }} not in (select {{ field }} from {{ to }})
    and {{ column_name }} not in (
        select {{ quarantine_field }} from {{ quarantine }} where {{ quarantine_field }} is not null
    )

{% endtest %}
