with load_status as (

    select * from {{ ref('int_load_status') }}

),

posts as (

    select * from {{ ref('stg_posts') }}

),

-- A day is complete when the data speaks as of its end: both moments are the last microsecond of a day.
complete as (

    select
        site,
        max({{ last_complete_day('complete_to') }}) filter (where table_name = 'posts') as posts_complete_day,
        max({{ last_complete_day('counters_complete_to') }})
            filter (where table_name = 'posts') as posts_counters_complete_day,
        max({{ last_complete_day('complete_to') }}) filter (where table_name = 'votes') as votes_complete_day,
        max({{ last_complete_day('complete_to') }}) filter (where table_name = 'users') as users_complete_day
    from load_status
    group by site

),

final as (

    select
        complete.site,
        'meta' = any(string_to_array(complete.site, '.')) as is_meta,
        first_and_last.first_post_at,
        first_and_last.last_post_at,
        complete.posts_complete_day,
        complete.posts_counters_complete_day,
        complete.votes_complete_day,
        complete.users_complete_day
    from complete
    -- For each site by itself, so that Postgres looks at the ends of one index instead of reading all posts.
    cross join lateral (
        select
            min(post.creation_date) as first_post_at,
            max(post.creation_date) as last_post_at
        from posts as post
        where post.site = complete.site
    ) as first_and_last

)

select * from final
