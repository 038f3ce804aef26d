{{ config(
    materialized='incremental',
    incremental_strategy='changed_keys',
    unique_key=['site', 'month'],
    pre_hook="{{ note_changed_months() }}",
    post_hook="{{ move_watermark() }}",
) }}

-- depends_on: {{ ref('int_load_status') }} (read by the pre-hook)
with questions as (

    select question.*
    from {{ ref('int_question') }} as question
    {{ join_changed_months('question', 'asked_at') }}

),

answers as (

    select * from {{ ref('int_answer') }}

),

post_tags as (

    select * from {{ ref('stg_post_tags') }}

),

accept_votes as (

    select * from {{ ref('stg_votes') }}
    where vote_type_id = 1

),

-- Who answers their own question documents: nobody waited for it. The network's own accounts answer for no one either.
threads as (

    select
        question.site,
        question.question_id,
        answer.answer_id,
        answer.answered_at,
        coalesce(answer.answerer_id = question.asker_id, false) as is_self_answer,
        answer.answerer_kind <> 'system' and (answer.answerer_id = question.asker_id) is not true as is_by_another
    from questions as question
    inner join answers as answer on answer.site = question.site and answer.question_id = question.question_id

),

answered as (

    select
        site,
        question_id,
        count(*) as answer_count,
        bool_or(is_self_answer) as is_self_answered,
        (array_agg(answer_id order by answered_at, answer_id) filter (where is_by_another))[1] as first_answer_id,
        min(answered_at) filter (where is_by_another) as first_answered_at
    from threads
    group by site, question_id

),

tagged as (

    select tag.site, tag.post_id as question_id, count(*) as tags_count
    from questions as question
    inner join post_tags as tag on tag.site = question.site and tag.post_id = question.question_id
    group by tag.site, tag.post_id

),

accepted as (

    select question.site, question.question_id, max(vote.day) as accepted_on
    from questions as question
    inner join accept_votes as vote on vote.site = question.site and vote.post_id = question.accepted_answer_id
    group by question.site, question.question_id

),

final as (

    select
        question.site,
        question.question_id,
        question.asked_at,
        question.month,
        question.asker_id,
        question.asker_kind,
        question.score,
        question.view_count,
        question.comment_count,
        question.is_closed,
        question.is_community_wiki,
        coalesce(tagged.tags_count, 0)::integer as tags_count,
        coalesce(answered.answer_count, 0)::integer as answer_count,
        coalesce(answered.is_self_answered, false) as is_self_answered,
        answered.first_answer_id,
        answered.first_answered_at,
        -- In a merged or migrated thread an answer can be older than its question: it was there at once.
        case when answered.first_answered_at is not null then
            extract(epoch from greatest(answered.first_answered_at, question.asked_at) - question.asked_at)
            ::double precision / 3600
        end as hours_to_first_answer,
        question.accepted_answer_id,
        accepted.accepted_on
    from questions as question
    left join answered on answered.site = question.site and answered.question_id = question.question_id
    left join tagged on tagged.site = question.site and tagged.question_id = question.question_id
    left join accepted on accepted.site = question.site and accepted.question_id = question.question_id

)

select * from final
