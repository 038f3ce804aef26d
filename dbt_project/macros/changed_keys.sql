{#
  Incremental models that equal a full refresh: each rebuilds exactly the keys that changed, deletions included.

  What changed comes from `lake.changed`, which every load of a site writes in its own transaction. One transaction of a
  model: the pre-hook notes what changed since the model's watermark (macros/watermark.sql), the model's query and the
  deletion use that note, the post-hook moves the watermark to it.
#}

{# Whether this run rebuilds some keys only. A unit test has no table behind it: it tells its whole answer. #}
{% macro is_partial() %}{{ return(this is not none and is_incremental()) }}{% endmacro %}

{# Name of the note: a temporary table that only this model's transaction sees. #}
{% macro changes() %}{{ this.identifier }}_changes{% endmacro %}

{#
  For models of (site, month). Notes (site, month, since, until, load_id): the months in which posts changed between the
  watermark and the load that this run takes in and, without a month, that other tables of the site were loaded. A model built of a fact goes no
  further than that `parent` did, and also notes the months whose end the data now reaches: they close, no row changed.
#}
{% macro note_changed_months(parent=none) %}
  create temporary table {{ changes() }} on commit drop as
  with loads as (
    select
        changed.site,
        case when changed.table_name = 'posts' then changed.month end as month,
        changed.load_id
    from lake.changed as changed
    {%- if parent %}
    inner join core.watermark as parent on parent.model = '{{ parent }}' and parent.site = changed.site
    {%- endif %}
    {%- if is_partial() %}
    left join core.watermark as seen on seen.model = '{{ this.identifier }}' and seen.site = changed.site
    {%- endif %}
    where changed.load_id <= {% if parent %}parent.load_id{% else %}(
        select max(taken.load_id) from intermediate.int_load_status as taken where taken.site = changed.site
    ){% endif %}
      {%- if is_partial() %} and changed.load_id > coalesce(seen.load_id, -1) {%- endif %}
    {%- if is_partial() and parent %}
    union all
    select target.site, target.month, seen.load_id
    from {{ this }} as target
    inner join core.dim_site as site on site.site = target.site
    inner join core.watermark as seen on seen.model = '{{ this.identifier }}' and seen.site = target.site
    where target.is_complete <> {{ is_complete_month('target.month', 'site.posts_complete_day') }}
    {%- endif %}
  )
  select
      site,
      month,
      month::timestamp at time zone 'UTC' as since,
      (month + interval '1 month') at time zone 'UTC' as until,
      max(load_id) as load_id,
      '' as complete_to
  from loads
  group by site, month;
  analyze {{ changes() }};
{% endmacro %}

{#
  For models of a whole site. Notes (site, load_id, complete_to): the sites where a parent moved past this model's
  watermark, or whose data now reach another day, which closes months and ages questions without changing a row. What
  counts as seen is the load that every parent has seen.
#}
{% macro note_changed_sites(parents) %}
  create temporary table {{ changes() }} on commit drop as
  with sites as (
    select
        parent.site,
        min(parent.load_id) as load_id,
        max(parent.load_id) as newest_load_id,
        max(concat(
            site.posts_complete_day, ' ', site.posts_counters_complete_day, ' ', site.votes_complete_day
        )) as complete_to
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

{# Keeps of `relation` the rows of noted keys; everything where all is rebuilt. #}
{% macro join_changed(relation) %}
  {%- if is_partial() %}
    inner join {{ changes() }} as changed on
        {%- for key in config.get('unique_key') %}
        {{ 'and ' if not loop.first }}changed.{{ key }} = {{ relation }}.{{ key }}
        {%- endfor %}
  {%- endif %}
{%- endmacro %}

{# The same by a moment, for what the warehouse indexes by time and not by month. #}
{% macro join_changed_months(relation, moment) %}
  {%- if is_partial() %}
    inner join {{ changes() }} as changed on changed.site = {{ relation }}.site
        and {{ relation }}.{{ moment }} >= changed.since and {{ relation }}.{{ moment }} < changed.until
  {%- endif %}
{%- endmacro %}

{# Strategy `changed_keys`. dbt's delete+insert keeps what has no successor; here a noted key is emptied in any case. #}
{% macro get_incremental_changed_keys_sql(arguments) %}
  {%- set columns = get_quoted_csv(arguments['dest_columns'] | map(attribute='name')) %}
  delete from {{ arguments['target_relation'] }} as target
  using {{ changes() }} as changed
  where true
  {%- for key in arguments['unique_key'] %} and target.{{ key }} = changed.{{ key }} {%- endfor %};
  insert into {{ arguments['target_relation'] }} ({{ columns }})
  select {{ columns }} from {{ arguments['temp_relation'] }};
{% endmacro %}
