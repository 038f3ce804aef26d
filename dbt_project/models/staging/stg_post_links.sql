-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    id as post_link_id,
    creation_date,
    post_id,
    related_post_id,
    link_type_id
from {{ source('lake', 'post_links') }}
