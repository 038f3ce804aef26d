-- Written by `python -m so_lakehouse.warehouse.dbt_sources`.

select
    site,
    quarter,
    table_name,
    column_name,
    is_followed,
    rows_compared,
    rows_agreeing,
    rows_compared_of_pages,
    rows_agreeing_of_pages,
    data_version
from {{ source('lake', 'reconciliation_column') }}
