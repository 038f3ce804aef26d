-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    id as comment_id,
    post_id,
    score,
    creation_date,
    user_id,
    content_license
from {{ source('lake', 'comments') }}
