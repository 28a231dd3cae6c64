{% macro after_build(arrival=none) -%}
    {{- return(adapter.dispatch('after_build')(arrival)) -}}
{%- endmacro %}

{% macro default__after_build(arrival) -%}
{%- endmacro %}

{% macro postgres__after_build(arrival) -%}
    {#- What arrived last must be in the statistics, or the planner expects to find none of it;
        a coarse look at that one column is enough, and quick. -#}
    {%- if not is_incremental() -%}
        analyze {{ this }}
    {%- elif arrival -%}
        set local default_statistics_target = 10; analyze {{ this }} ({{ arrival }})
    {%- endif -%}
{%- endmacro %}
