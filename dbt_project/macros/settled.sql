{#
  Whether a site's facts have seen all that the warehouse holds of it. A load that commits while dbt runs makes the two
  differ for a while, and that is no fault: the next run brings it. What was left behind is found by its own test.
#}
{% macro is_settled(site) -%}
not exists (
    select from lake.changed as newer
    where newer.site = {{ site }}
      and newer.load_id > (
          select coalesce(min(load_id), -1) from core.watermark
          where model in ('fct_question', 'fct_answer') and core.watermark.site = {{ site }}
      )
)
{%- endmacro %}
