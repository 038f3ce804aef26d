-- The facts hold every question and answer of the warehouse, as it is there now, month by month.
{{ config(meta={'dagster': {'ref': {'name': 'fct_question'}}}) }}

with facts as (

    select site, month, 1 as post_type_id, count(*) as posts, coalesce(sum(score), 0) as score
    from {{ ref('fct_question') }}
    group by site, month
    union all
    select site, month, 2, count(*), coalesce(sum(score), 0)
    from {{ ref('fct_answer') }}
    group by site, month

),

warehouse as (

    select
        site,
        date_trunc('month', creation_date at time zone 'UTC')::date as month,
        post_type_id,
        count(*) as posts,
        coalesce(sum(score), 0) as score
    from {{ source('lake', 'posts') }}
    where post_type_id in (1, 2)
    group by 1, 2, 3

)

select
    site,
    month,
    post_type_id,
    facts.posts as facts_posts,
    warehouse.posts as warehouse_posts,
    facts.score as facts_score,
    warehouse.score as warehouse_score
from facts
full join warehouse using (site, month, post_type_id)
where (facts.posts, facts.score) is distinct from (warehouse.posts, warehouse.score)
  and site not in ({{ unsettled_sites() }})
