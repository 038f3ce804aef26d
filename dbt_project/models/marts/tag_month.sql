{{ config(
    materialized='incremental',
    incremental_strategy='changed_keys',
    unique_key=['site'],
    pre_hook="{{ note_changed_sites(['fct_question']) }}",
    post_hook="{{ move_watermark() }}",
) }}

with sites as (

    select site.*
    from {{ ref('dim_site') }} as site
    {{ join_changed_sites('site') }}

),

questions as (

    select question.*
    from {{ ref('fct_question') }} as question
    {{ join_changed_sites('question') }}
    where question.asker_kind <> 'system'

),

post_tags as (

    select post_tag.*
    from {{ ref('stg_post_tags') }} as post_tag
    {{ join_changed_sites('post_tag') }}

),

asked as (

    select site, month, count(*) as denominator
    from questions
    group by site, month

),

tagged as (

    select
        question.site,
        question.month,
        post_tag.tag,
        count(*) as questions,
        count(distinct question.asker_id) as askers
    from questions as question
    inner join post_tags as post_tag on post_tag.site = question.site and post_tag.post_id = question.question_id
    group by question.site, question.month, post_tag.tag

),

final as (

    select
        tagged.site,
        tagged.tag,
        tagged.month,
        coalesce((tagged.month + interval '1 month')::date - 1 <= site.posts_complete_day, false) as is_complete,
        tagged.questions,
        tagged.askers,
        asked.denominator,
        tagged.questions / asked.denominator::double precision as share,
        {{ wilson_low('tagged.questions', 'asked.denominator') }} as share_low,
        {{ wilson_high('tagged.questions', 'asked.denominator') }} as share_high,
        {{ is_small_cell('tagged.questions', 'asked.denominator') }} as is_small_cell,
        site.posts_complete_day as complete_to
    from tagged
    inner join asked on asked.site = tagged.site and asked.month = tagged.month
    inner join sites as site on site.site = tagged.site

)

select * from final
