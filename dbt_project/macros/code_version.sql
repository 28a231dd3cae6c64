{% macro code_version() -%}
    {#- A number that changes with the SQL of this model or of anything it is built from. -#}
    {%- set lineage, checksums = [model.unique_id], [] -%}
    {%- for node in lineage if node in graph.nodes -%}
        {%- do lineage.extend(graph.nodes[node].depends_on.nodes | reject('in', lineage)) -%}
        {%- do checksums.append(graph.nodes[node].checksum.checksum) -%}
    {%- endfor -%}
    {{- local_md5(checksums | sort | join)[:7] | int(0, 16) -}}
{%- endmacro %}
