-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    post_id,
    tag
from {{ source('lake', 'post_tags') }}
