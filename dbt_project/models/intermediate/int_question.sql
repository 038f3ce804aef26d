with posts as (

    select * from {{ ref('stg_posts') }}

),

final as (

    select
        site,
        post_id as question_id,
        creation_date as asked_at,
        date_trunc('month', creation_date at time zone 'UTC')::date as month,
        case when owner_user_id > 0 then owner_user_id end as asker_id,
        {{ author_kind('owner_user_id') }} as asker_kind,
        accepted_answer_id,
        score,
        view_count,
        comment_count,
        closed_date is not null as is_closed,
        community_owned_date is not null as is_community_wiki
    from posts
    where post_type_id = 1

)

select * from final
