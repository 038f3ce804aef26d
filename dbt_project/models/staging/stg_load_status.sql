-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    table_name,
    lake_version,
    data_version,
    rows,
    complete_to,
    counters_complete_to,
    load_id,
    loaded_at
from {{ source('lake', 'load_status') }}
