with reconciliation as (

    select * from {{ ref('stg_reconciliation') }}

),

final as (

    select
        site,
        quarter,
        table_name,
        release,
        cut_date,
        previous_cut_date,
        days,
        days_missing,
        rows_predicted,
        rows_present,
        rows_missing,
        rows_untold,
        rows_extra,
        rows_unfollowed,
        rows_present::double precision / nullif(rows_present + rows_missing, 0) as share_present,
        rows_present::double precision / nullif(rows_present + rows_extra, 0) as share_predicted,
        reconciled_at
    from reconciliation

)

select * from final
