{% macro code_version() -%}
    {#- A number that changes with the SQL of this model, of anything it is built from, and of the
        project's macros that any of them calls. Noted in the graph: it is asked for often. -#}
    {%- set known = graph.get('nodes', {}).get(model.unique_id, {}) -%}
    {%- if 'code_version' not in known -%}
        {%- set number = local_md5(code_of(model.unique_id) | sort | join)[:7] | int(0, 16) -%}
        {%- do known.update(code_version=number) -%}
    {%- endif -%}
    {{- known.code_version -}}
{%- endmacro %}

{% macro code_of(node) -%}
    {#- The SQL that a node's rows depend on, as a list: its own, that of all it is built from, and
        the macros that these call. (dbt's list of these grows while a model is built.) -#}
    {%- set lineage, code, own = [node], [], context[project_name].items() -%}
    {%- for name in lineage if name in graph.nodes -%}
        {%- do lineage.extend(graph.nodes[name].depends_on.nodes | reject('in', lineage)) -%}
        {%- do code.append(graph.nodes[name].checksum.checksum ~ graph.nodes[name].raw_code) -%}
    {%- endfor -%}
    {%- for text in code -%}{%- for name, it in own if name.split('__')[-1] ~ '(' in text -%}
        {%- do code.append(it.macro.macro_sql) if it.macro.macro_sql not in code -%}
    {%- endfor -%}{%- endfor -%}
    {{- return(code) -}}
{%- endmacro %}
