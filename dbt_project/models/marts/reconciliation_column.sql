with reconciliation_column as (

    select * from {{ ref('stg_reconciliation_column') }}

),

final as (

    select
        site,
        quarter,
        table_name,
        column_name,
        is_followed,
        rows_compared,
        rows_agreeing,
        rows_agreeing::double precision / nullif(rows_compared, 0) as share_agreeing,
        rows_compared_of_pages,
        rows_agreeing_of_pages,
        rows_agreeing_of_pages::double precision / nullif(rows_compared_of_pages, 0) as share_agreeing_of_pages
    from reconciliation_column

)

select * from final
