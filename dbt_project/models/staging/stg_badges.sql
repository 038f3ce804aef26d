-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    id as badge_id,
    user_id,
    name,
    date,
    class,
    tag_based
from {{ source('lake', 'badges') }}
