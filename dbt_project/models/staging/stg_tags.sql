-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    id as tag_id,
    tag_name,
    count,
    excerpt_post_id,
    wiki_post_id,
    is_moderator_only,
    is_required
from {{ source('lake', 'tags') }}
