{#
  The loads that this run of dbt takes in, all from one moment: a load that commits while dbt runs comes with the next
  run, its rows and how far they reach alike. A table, and the first of the run, because every other model keeps to it.
#}
{{ config(materialized='table') }}

with load_status as (

    select * from {{ ref('stg_load_status') }}

)

select * from load_status
