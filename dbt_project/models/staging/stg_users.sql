-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    id as user_id,
    reputation,
    creation_date,
    last_access_date,
    views,
    up_votes,
    down_votes,
    account_id
from {{ source('lake', 'users') }}
