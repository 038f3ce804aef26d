-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    post_id,
    vote_type_id,
    day,
    bounty_user_id,
    n,
    bounty_amount
from {{ source('lake', 'votes') }}
