with posts as (

    select * from {{ ref('stg_posts') }}

),

final as (

    select
        site,
        post_id as answer_id,
        parent_id as question_id,
        creation_date as answered_at,
        date_trunc('month', creation_date at time zone 'UTC')::date as month,
        case when owner_user_id > 0 then owner_user_id end as answerer_id,
        {{ author_kind('owner_user_id') }} as answerer_kind,
        score,
        comment_count,
        community_owned_date is not null as is_community_wiki
    from posts
    where post_type_id = 2

)

select * from final
