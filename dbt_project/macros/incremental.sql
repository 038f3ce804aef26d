{#
  Incremental models that equal a full refresh: each rebuilds exactly the keys that changed, deletions included.

  What changed comes from `lake.changed`, which every load of a site writes in its own transaction. `core.watermark` holds, by model and
  site, the last load that the model has seen. It is kept by site because loads of different sites commit in any order: a
  single highest number would skip a load that was still open when a later one committed.

  `core.horizon` is the newest load of this run, noted before its first model starts; what commits later comes next time.
  One transaction of a model: the pre-hook notes what changed, the model's query and the deletion use that note, the
  post-hook moves the watermark to it.
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
  create table if not exists core.horizon (load_id bigint not null);
  {%- if execute and flags.WHICH in ('build', 'run') %}
  delete from core.horizon;
  insert into core.horizon select coalesce({{ newest_load() }}, max(load_id), 0) from lake.changed;
  {%- endif %}
  comment on table core.watermark is 'Last load of each site that each incremental model has seen, and the definition it was built by.';
  comment on table core.horizon is 'The newest load that the last run of dbt was to take in.';
{% endmacro %}

{#
  The newest load that this run may take in: the variable or, because another value of a variable makes dbt parse the
  whole project again, the environment's SO_LAKEHOUSE_LOAD_ID; null where neither is given.
#}
{% macro newest_load() -%}
  {{ var('load_id', env_var('SO_LAKEHOUSE_LOAD_ID', '')) or 'null' }}
{%- endmacro %}

{# Whether this run rebuilds some keys only. A unit test has no table behind it: there the model tells its whole answer. #}
{% macro is_partial() %}{{ return(this is not none and is_incremental()) }}{% endmacro %}

{# Name of the note: a temporary table that only this model's transaction sees. #}
{% macro changes() %}{{ this.identifier }}_changes{% endmacro %}

{#
  For facts. Notes (site, month, since, until, load_id): the months whose rows of `table_name` changed between watermark and horizon,
  and, with no month, that other tables of the site were loaded.
#}
{% macro note_changed_months(table_name) %}
  create temporary table {{ changes() }} on commit drop as
  with loads as (
    select
        changed.site,
        case when changed.table_name = '{{ table_name }}' then changed.month end as month,
        max(changed.load_id) as load_id
    from lake.changed as changed
    {%- if is_partial() %}
    left join core.watermark as seen on seen.model = '{{ this.identifier }}' and seen.site = changed.site
    {%- endif %}
    where changed.load_id <= (select load_id from core.horizon)
      {%- if is_partial() %} and changed.load_id > coalesce(seen.load_id, -1) {%- endif %}
    group by 1, 2
  )
  select
      site,
      month,
      month::timestamp at time zone 'UTC' as since,
      (month + interval '1 month') at time zone 'UTC' as until,
      load_id,
      '' as complete_to
  from loads;
  analyze {{ changes() }};
{% endmacro %}

{#
  For what is built of facts. Notes (site, load_id, complete_to): the sites where a parent moved past this model's watermark, or
  whose data now reach another day, which closes months and ages questions without changing a row. What counts as seen
  is the load that every parent has seen.
#}
{% macro note_changed_sites(parents) %}
  create temporary table {{ changes() }} on commit drop as
  with sites as (
    select
        parent.site,
        min(parent.load_id) as load_id,
        max(parent.load_id) as newest_load_id,
        max(concat_ws(' ', site.posts_complete_day, site.votes_complete_day)) as complete_to
    from core.watermark as parent
    left join core.dim_site as site on site.site = parent.site
    where parent.model in ('{{ parents | join("', '") }}')
    group by parent.site
  )
  select sites.site, sites.load_id, sites.complete_to
  from sites
  {%- if is_partial() %}
  left join core.watermark as seen on seen.model = '{{ this.identifier }}' and seen.site = sites.site
  where sites.newest_load_id > coalesce(seen.load_id, -1) or sites.complete_to <> seen.complete_to
  {%- endif %};
  analyze {{ changes() }};
{% endmacro %}

{% macro move_watermark() %}
  update core.watermark set definition = '{{ definition() }}'
  where model = '{{ this.identifier }}' and definition <> '{{ definition() }}';
  insert into core.watermark (model, site, load_id, complete_to, definition)
  select '{{ this.identifier }}', site, max(load_id), max(complete_to), '{{ definition() }}' from {{ changes() }} group by site
  on conflict (model, site) do update set load_id = excluded.load_id, complete_to = excluded.complete_to;
{% endmacro %}

{# Keeps of `relation` the rows whose `column` (timestamptz) lies in a noted month; everything where all is rebuilt. #}
{% macro join_changed_months(relation, column) %}
  {%- if is_partial() %}
    inner join {{ changes() }} as changed
        on changed.site = {{ relation }}.site and {{ relation }}.{{ column }} >= changed.since and {{ relation }}.{{ column }} < changed.until
  {%- endif %}
{%- endmacro %}

{% macro join_changed_sites(relation) %}
  {%- if is_partial() %}
    inner join {{ changes() }} as changed on changed.site = {{ relation }}.site
  {%- endif %}
{%- endmacro %}

{# dbt's delete+insert keeps what has no successor; here a noted key whose rows are all gone is emptied too. #}
{% macro get_incremental_changed_keys_sql(arguments) %}
  {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) %}
  delete from {{ arguments['target_relation'] }} as target using {{ changes() }} as changed
  where {% for key in arguments['unique_key'] %}{{ 'and ' if not loop.first }}target.{{ key }} = changed.{{ key }} {% endfor %};
  insert into {{ arguments['target_relation'] }} ({{ columns }}) select {{ columns }} from {{ arguments['temp_relation'] }};
{% endmacro %}

{#
  Fingerprint of what a model is made of: its own text and columns, those of every model it reads, and the macros in them. An incremental table
  that was built by another definition is rebuilt whole, so that a changed rule never leaves old rows behind.
#}
{% macro definition() %}
  {%- set made_of = [model.unique_id] -%}
  {%- for unique_id in made_of if unique_id in graph.nodes -%}
    {%- for parent in graph.nodes[unique_id].depends_on.nodes if parent not in made_of -%}
      {%- do made_of.append(parent) -%}
    {%- endfor -%}
  {%- endfor -%}
  {#- dbt shows no macro's text here, so those that compute values are written out; a test finds one that is missing. -#}
  {%- set parts = [author_kind('u'), last_complete_day('t'), wilson_low('k', 'n'), wilson_high('k', 'n'), is_small_cell('k', 'n')] -%}
  {%- for unique_id in made_of | sort if unique_id in graph.nodes -%}
    {%- set node = graph.nodes[unique_id] -%}
    {%- do parts.append(unique_id ~ node.checksum.checksum ~ tojson(node.columns.values() | map(attribute='data_type') | list)) -%}
  {%- endfor -%}
  {{ return(local_md5(parts | join(' '))) }}
{% endmacro %}

{# Replaces dbt's own: besides --full-refresh, an incremental model is rebuilt whole when its definition has changed. #}
{% macro should_full_refresh() %}
  {%- set asked = config.get('full_refresh') -%}
  {%- if asked is none -%}{%- set asked = flags.FULL_REFRESH -%}{%- endif -%}
  {%- if asked or not execute or model.config.materialized != 'incremental' -%}{{ return(asked) }}{%- endif -%}
  {%- set same = run_query(
      "select coalesce(bool_and(definition = '" ~ definition() ~ "'), false) from core.watermark where model = '" ~ this.identifier ~ "'"
  ) -%}
  {{ return(not same.rows[0][0]) }}
{% endmacro %}
