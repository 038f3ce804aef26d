-- The mart's tagged questions add up to the warehouse's, and each month's denominator is the month's questions.
{{ config(meta={'dagster': {'ref': {'name': 'tag_month'}}}) }}

with mart as (

    select site, sum(questions)::bigint as tagged
    from {{ ref('tag_month') }}
    group by site

),

warehouse as (

    select tag.site, count(*) as tagged
    from {{ source('lake', 'post_tags') }} as tag
    inner join {{ source('lake', 'posts') }} as post on post.site = tag.site and post.id = tag.post_id
    where post.post_type_id = 1 and (post.owner_user_id > 0 or post.owner_user_id is null)
    group by tag.site

),

totals as (

    select site, null::date as month, mart.tagged as mart, warehouse.tagged as warehouse
    from mart
    full join warehouse using (site)
    where mart.tagged is distinct from warehouse.tagged

),

denominators as (

    select distinct tag.site, tag.month, tag.denominator as mart, activity.questions as warehouse
    from {{ ref('tag_month') }} as tag
    left join {{ ref('activity_month') }} as activity on activity.site = tag.site and activity.month = tag.month
    where tag.denominator is distinct from activity.questions

)

select * from (select * from totals union all select * from denominators) as different
where different.site not in ({{ unsettled_sites() }})
