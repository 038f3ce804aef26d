{{ config(
    materialized='incremental',
    incremental_strategy='changed_keys',
    unique_key=['site'],
    pre_hook="{{ note_changed_sites(['fct_question', 'fct_answer']) }}",
    post_hook="{{ move_watermark() }}",
) }}

with sites as (

    select
        site.*,
        -- An acceptance is told by its question, a counter, and dated by its vote: known as far as both are.
        case
            when site.posts_counters_complete_day <= site.votes_complete_day then site.posts_counters_complete_day
            when site.posts_counters_complete_day > site.votes_complete_day then site.votes_complete_day
        end as acceptance_complete_day
    from {{ ref('dim_site') }} as site
    {{ join_changed('site') }}

),

questions as (

    select question.*
    from {{ ref('fct_question') }} as question
    {{ join_changed('question') }}
    where question.asker_kind <> 'system'

),

answers as (

    select answer.*
    from {{ ref('fct_answer') }} as answer
    {{ join_changed('answer') }}
    where answer.answerer_kind <> 'system'

),

-- What a question tells at a fixed age, and only once the data covers that age: a younger question is still open
-- (right-censored), and counting it as unanswered would make every newest month look worse than it is.
observed as (

    select
        question.site,
        question.month,
        question.asker_id,
        case
            when (question.asked_at at time zone 'UTC' + interval '7 days' <= site.posts_complete_day + 1) is not true
                then null
            when question.hours_to_first_answer <= 7 * 24 then question.hours_to_first_answer
            else 'infinity'
        end as hours_waited,
        case
            when ((question.asked_at at time zone 'UTC')::date + 30 <= site.acceptance_complete_day) is not true then null
            -- No such vote, though one is accepted: pages told it since, so it was accepted after the votes end.
            else coalesce(question.accepted_on - (question.asked_at at time zone 'UTC')::date <= 30, false)
        end as is_accepted_in_30_days
    from questions as question
    inner join sites as site on site.site = question.site

),

asked as (

    select
        site,
        month,
        count(*) as questions,
        count(distinct asker_id) as askers,
        count(hours_waited) as questions_7_days_old,
        count(*) filter (where hours_waited < 'infinity') as answered_in_7_days,
        percentile_disc(0.5) within group (order by hours_waited) as median_hours_waited,
        count(is_accepted_in_30_days) as questions_30_days_old,
        count(*) filter (where is_accepted_in_30_days) as accepted_in_30_days
    from observed
    group by site, month

),

answered as (

    select
        site,
        month,
        count(*) as answers,
        count(distinct answerer_id) as answerers
    from answers
    group by site, month

),

-- Every month of a site's life has a row, also one in which nobody wrote.
months as (

    select
        site.site,
        site.posts_complete_day,
        site.acceptance_complete_day,
        generate_series(
            min(active.month),
            greatest(max(active.month), date_trunc('month', site.posts_complete_day)),
            interval '1 month'
        )::date as month
    from sites as site
    inner join (select site, month from asked union all select site, month from answered) as active
        on active.site = site.site
    group by site.site, site.posts_complete_day, site.acceptance_complete_day

),

final as (

    select
        months.site,
        months.month,
        {{ is_complete_month('months.month', 'months.posts_complete_day') }} as is_complete,
        coalesce(asked.questions, 0) as questions,
        coalesce(answered.answers, 0) as answers,
        coalesce(asked.askers, 0) as askers,
        coalesce(answered.answerers, 0) as answerers,
        nullif(asked.median_hours_waited, 'infinity') as median_hours_to_first_answer,
        coalesce(asked.questions_7_days_old, 0) as questions_7_days_old,
        coalesce(asked.answered_in_7_days, 0) as answered_in_7_days,
        asked.answered_in_7_days / nullif(asked.questions_7_days_old, 0)::double precision as share_answered_in_7_days,
        coalesce(asked.questions_30_days_old, 0) as questions_30_days_old,
        coalesce(asked.accepted_in_30_days, 0) as accepted_in_30_days,
        asked.accepted_in_30_days / nullif(asked.questions_30_days_old, 0)::double precision
            as share_accepted_in_30_days,
        months.posts_complete_day as complete_to,
        months.acceptance_complete_day as acceptance_complete_to
    from months
    left join asked on asked.site = months.site and asked.month = months.month
    left join answered on answered.site = months.site and answered.month = months.month

)

select * from final
