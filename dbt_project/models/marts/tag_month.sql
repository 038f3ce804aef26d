{{ config(
    materialized='incremental',
    incremental_strategy='changed_keys',
    unique_key=['site', 'month'],
    pre_hook="{{ note_changed_months(parent='fct_question') }}",
    post_hook="{{ move_watermark() }}",
) }}

with sites as (

    select * from {{ ref('dim_site') }}

),

questions as (

    select question.*
    from {{ ref('fct_question') }} as question
    {{ join_changed('question') }}
    where question.asker_kind <> 'system'

),

post_tags as (

    select * from {{ ref('stg_post_tags') }}

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
        {{ is_complete_month('tagged.month', 'site.posts_complete_day') }} as is_complete,
        tagged.questions,
        tagged.askers,
        asked.denominator,
        tagged.questions / asked.denominator::double precision as share,
        {{ wilson_low('tagged.questions', 'asked.denominator') }} as share_low,
        {{ wilson_high('tagged.questions', 'asked.denominator') }} as share_high,
        {{ is_small_cell('tagged.questions', 'asked.denominator') }} as is_small_cell
    from tagged
    inner join asked on asked.site = tagged.site and asked.month = tagged.month
    inner join sites as site on site.site = tagged.site

)

select * from final
