with load_status as (

    select * from {{ ref('int_load_status') }}

),

final as (

    select
        site,
        table_name,
        rows,
        complete_to,
        counters_complete_to,
        data_version,
        lake_version,
        loaded_at
    from load_status

)

select * from final
