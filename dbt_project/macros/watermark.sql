{#
  What each incremental model has seen of the loads, and by which definition its table was built.

  `core.watermark` is kept by site because loads of different sites may become visible in any order: one highest number
  would skip a load that was still open when a later one committed. Up to where a run goes is in `int_load_status`, its
  first model: all models take in the loads that it names; what commits later comes next time.
#}

{% macro begin_run() %}
  create schema if not exists core;
  create table if not exists core.watermark (
    model text not null,
    site text not null,
    load_id bigint not null,
    complete_to text not null,
    definition text not null,
    primary key (model, site)
  );
  comment on table core.watermark is
    'Last load of each site that each incremental model has seen, the days its data reached, and how it was built.';
{% endmacro %}

{# Post-hook of every incremental model, in the transaction that wrote its rows. #}
{% macro move_watermark() %}
  update core.watermark set definition = '{{ definition() }}'
  where model = '{{ this.identifier }}' and definition <> '{{ definition() }}';
  insert into core.watermark (model, site, load_id, complete_to, definition)
  select '{{ this.identifier }}', site, max(load_id), max(complete_to), '{{ definition() }}'
  from {{ changes() }}
  group by site
  on conflict (model, site) do update set load_id = excluded.load_id, complete_to = excluded.complete_to;
{% endmacro %}

{#
  Fingerprint of what a model is made of: its own text and columns, those of every model it reads, and their macros. A
  table that was built by another definition is rebuilt whole, so that a changed rule never leaves old rows behind.
#}
{% macro definition() %}
  {%- set made_of = [model.unique_id] -%}
  {%- for unique_id in made_of if unique_id in graph.nodes -%}
    {%- for parent in graph.nodes[unique_id].depends_on.nodes if parent not in made_of -%}
      {%- do made_of.append(parent) -%}
    {%- endfor -%}
  {%- endfor -%}
  {#- dbt shows no macro's text here, so those that compute values are written out; a test finds a missing one. -#}
  {%- set parts = [
      author_kind('u'), last_complete_day('t'), is_complete_month('m', 'd'),
      wilson_low('k', 'n'), wilson_high('k', 'n'), is_small_cell('k', 'n'),
  ] -%}
  {%- for unique_id in made_of | sort if unique_id in graph.nodes -%}
    {%- set node = graph.nodes[unique_id] -%}
    {%- set types = node.columns.values() | map(attribute='data_type') | list -%}
    {%- do parts.append(unique_id ~ node.checksum.checksum ~ tojson(types)) -%}
  {%- endfor -%}
  {{ return(local_md5(parts | join(' '))) }}
{% endmacro %}

{# Replaces dbt's own: besides --full-refresh, a table is rebuilt whole when its definition has changed. #}
{% macro should_full_refresh() %}
  {%- set asked = config.get('full_refresh') -%}
  {%- if asked is none -%}{%- set asked = flags.FULL_REFRESH -%}{%- endif -%}
  {%- if asked or not execute or model.config.materialized != 'incremental' -%}{{ return(asked) }}{%- endif -%}
  {%- set built_by -%}
    select coalesce(bool_and(definition = '{{ definition() }}'), false)
    from core.watermark where model = '{{ this.identifier }}'
  {%- endset -%}
  {{ return(not run_query(built_by).rows[0][0]) }}
{% endmacro %}
