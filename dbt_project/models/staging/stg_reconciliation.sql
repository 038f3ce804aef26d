-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    quarter,
    table_name,
    release,
    cut_date,
    previous_cut_date,
    pages_until,
    days,
    days_missing,
    rows_predicted,
    rows_present,
    rows_missing,
    rows_untold,
    rows_extra,
    rows_unfollowed,
    reconciled_at,
    data_version
from {{ source('lake', 'reconciliation') }}
