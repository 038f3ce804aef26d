-- The mart's questions and answers add up to the warehouse's, by site, without those of the network's own accounts.
{{ config(meta={'dagster': {'ref': {'name': 'activity_month'}}}) }}

with mart as (

    select site, sum(questions)::bigint as questions, sum(answers)::bigint as answers
    from {{ ref('activity_month') }}
    group by site

),

warehouse as (

    select
        site,
        count(*) filter (where post_type_id = 1) as questions,
        count(*) filter (where post_type_id = 2) as answers
    from {{ source('lake', 'posts') }}
    where post_type_id in (1, 2) and (owner_user_id > 0 or owner_user_id is null)
    group by site

)

select
    site,
    mart.questions as mart_questions,
    warehouse.questions as warehouse_questions,
    mart.answers as mart_answers,
    warehouse.answers as warehouse_answers
from mart
full join warehouse using (site)
where (mart.questions, mart.answers) is distinct from (warehouse.questions, warehouse.answers)
  and site not in ({{ unsettled_sites() }})
