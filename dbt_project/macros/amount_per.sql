{% macro amount_per(amount, count) -%}
    {#- An amount of zero or more divided by a count, to the cent, half away from zero. In whole
        half-cents, because DuckDB divides decimals as doubles. -#}
    cast(floor((200 * {{ amount }} + {{ count }}) / (2 * {{ count }})) / 100 as numeric(18, 2))
{%- endmacro %}
