{# A view: `lake.users` already is one row per account, and 22 million of them need no copy. #}
{{ config(materialized='view') }}

with users as (

    select * from {{ ref('stg_users') }}

),

final as (

    select
        site,
        user_id,
        account_id,
        creation_date as joined_at,
        date_trunc('month', creation_date at time zone 'UTC')::date as joined_month,
        last_access_date as last_seen_at,
        reputation,
        views,
        up_votes,
        down_votes
    from users
    where user_id > 0

)

select * from final
