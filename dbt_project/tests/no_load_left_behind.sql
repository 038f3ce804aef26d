-- Every incremental model has seen every load that the run was to take in, of every site.
{{ config(meta={'dagster': {'ref': {'name': 'top_tags'}}}) }}

with due as (

    select changed.site, max(changed.load_id) as load_id
    from lake.changed as changed
    where changed.load_id <= (
        select max(taken.load_id) from {{ ref('int_load_status') }} as taken where taken.site = changed.site
    )
    group by changed.site

),

models as (

    select unnest(array[
        {%- for node in graph.nodes.values() if node.config.materialized == 'incremental' %}
        '{{ node.name }}'{{ ',' if not loop.last }}
        {%- endfor %}
    ]) as model

)

select due.site, models.model, due.load_id as due_load_id, seen.load_id as seen_load_id
from due
cross join models
left join core.watermark as seen on seen.site = due.site and seen.model = models.model
where seen.load_id is null or seen.load_id < due.load_id

-- depends_on: {{ ref('top_tags') }} {{ ref('dim_tag') }}
