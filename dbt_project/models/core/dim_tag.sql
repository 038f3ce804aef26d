{{ config(
    materialized='incremental',
    incremental_strategy='changed_keys',
    unique_key=['site'],
    pre_hook="{{ note_changed_sites(['fct_question']) }}",
    post_hook="{{ move_watermark() }}",
) }}

-- depends_on: {{ ref('dim_site') }} (read by the pre-hook)
with questions as (

    select question.*
    from {{ ref('fct_question') }} as question
    {{ join_changed('question') }}

),

post_tags as (

    select post_tag.*
    from {{ ref('stg_post_tags') }} as post_tag
    {{ join_changed('post_tag') }}

),

tags as (

    select tag.*
    from {{ ref('stg_tags') }} as tag
    {{ join_changed('tag') }}

),

used as (

    select
        post_tag.site,
        post_tag.tag,
        count(*) as questions,
        min(question.month) as first_month,
        max(question.month) as last_month
    from post_tags as post_tag
    inner join questions as question on question.site = post_tag.site and question.question_id = post_tag.post_id
    group by post_tag.site, post_tag.tag

),

final as (

    select
        coalesce(used.site, tags.site) as site,
        coalesce(used.tag, tags.tag_name) as tag,
        tags.tag_id,
        tags.count as published_questions,
        coalesce(used.questions, 0) as questions,
        used.first_month,
        used.last_month,
        coalesce(tags.is_moderator_only, false) as is_moderator_only,
        coalesce(tags.is_required, false) as is_required
    from used
    full join tags on tags.site = used.site and tags.tag_name = used.tag

)

select * from final
