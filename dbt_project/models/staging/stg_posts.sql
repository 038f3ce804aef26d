-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    id as post_id,
    post_type_id,
    accepted_answer_id,
    parent_id,
    creation_date,
    score,
    view_count,
    owner_user_id,
    last_editor_user_id,
    last_edit_date,
    last_activity_date,
    answer_count,
    comment_count,
    favorite_count,
    closed_date,
    community_owned_date,
    content_license,
    owner_is_deleted
from {{ source('lake', 'posts') }}
