-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    post_id,
    post_history_type_id,
    day,
    n
from {{ source('lake', 'post_history') }}
