{% macro utc(instant) %}
    {#- A point in time as a plain timestamp in UTC, whatever the session's time zone is. -#}
    {{- return(adapter.dispatch('utc')(instant)) -}}
{% endmacro %}

{% macro default__utc(instant) -%}
    ({{ instant }} at time zone 'UTC')
{%- endmacro %}
