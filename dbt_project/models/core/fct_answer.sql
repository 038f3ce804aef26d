{{ config(
    materialized='incremental',
    incremental_strategy='changed_keys',
    unique_key=['site', 'month'],
    pre_hook="{{ note_changed_months() }}",
    post_hook="{{ move_watermark() }}",
) }}

-- depends_on: {{ ref('int_load_status') }} (read by the pre-hook)
with answers as (

    select answer.*
    from {{ ref('int_answer') }} as answer
    {{ join_changed_months('answer', 'answered_at') }}

),

questions as (

    select * from {{ ref('int_question') }}

),

accept_votes as (

    select * from {{ ref('stg_votes') }}
    where vote_type_id = 1

),

accepted as (

    select answer.site, answer.answer_id, max(vote.day) as accepted_on
    from answers as answer
    inner join accept_votes as vote on vote.site = answer.site and vote.post_id = answer.answer_id
    group by answer.site, answer.answer_id

),

final as (

    select
        answer.site,
        answer.answer_id,
        answer.question_id,
        answer.answered_at,
        answer.month,
        answer.answerer_id,
        answer.answerer_kind,
        answer.score,
        answer.comment_count,
        answer.is_community_wiki,
        question.asked_at as question_asked_at,
        coalesce(answer.answerer_id = question.asker_id, false) as is_self_answer,
        coalesce(question.accepted_answer_id = answer.answer_id, false) as is_accepted,
        case when question.accepted_answer_id = answer.answer_id then accepted.accepted_on end as accepted_on
    from answers as answer
    left join questions as question on question.site = answer.site and question.question_id = answer.question_id
    left join accepted on accepted.site = answer.site and accepted.answer_id = answer.answer_id

)

select * from final
