{{ config(
    materialized='incremental',
    incremental_strategy='changed_keys',
    unique_key=['site'],
    pre_hook="{{ note_changed_sites(['tag_month', 'activity_month']) }}",
    post_hook="{{ move_watermark() }}",
) }}

with tag_months as (

    select tag_month.*
    from {{ ref('tag_month') }} as tag_month
    {{ join_changed('tag_month') }}

),

activity_months as (

    select activity.*
    from {{ ref('activity_month') }} as activity
    {{ join_changed('activity') }}

),

-- Two windows: the site's whole life, and its last 12 complete months.
windows as (

    select site, 'all' as time_window, min(month) as first_month, max(month) as last_month
    from activity_months
    group by site
    union all
    select site, '12 months', (max(month) - interval '11 months')::date, max(month)
    from activity_months
    where is_complete
    group by site

),

asked as (

    select windows.site, windows.time_window, sum(activity.questions)::bigint as denominator
    from windows
    inner join activity_months as activity
        on activity.site = windows.site and activity.month between windows.first_month and windows.last_month
    group by windows.site, windows.time_window

),

tagged as (

    select windows.site, windows.time_window, tag_month.tag, sum(tag_month.questions)::bigint as questions
    from windows
    inner join tag_months as tag_month
        on tag_month.site = windows.site and tag_month.month between windows.first_month and windows.last_month
    group by windows.site, windows.time_window, tag_month.tag

),

ranked as (

    select
        *,
        row_number() over (partition by site, time_window order by questions desc, tag)::integer as position
    from tagged

),

final as (

    select
        ranked.site,
        ranked.time_window,
        ranked.position,
        ranked.tag,
        ranked.questions,
        asked.denominator,
        ranked.questions / asked.denominator::double precision as share,
        {{ wilson_low('ranked.questions', 'asked.denominator') }} as share_low,
        {{ wilson_high('ranked.questions', 'asked.denominator') }} as share_high,
        {{ is_small_cell('ranked.questions', 'asked.denominator') }} as is_small_cell,
        windows.first_month,
        windows.last_month
    from ranked
    inner join asked on asked.site = ranked.site and asked.time_window = ranked.time_window
    inner join windows on windows.site = ranked.site and windows.time_window = ranked.time_window
    where ranked.position <= 50

)

select * from final
