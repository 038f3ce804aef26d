with sites as (

    select * from {{ ref('dim_site') }}

),

-- From the year the network began to the end of the last loaded year. Days of the API bring posts that are newer than
-- what is complete. How far off a wrong date may lie, silver's check dates_in_reach says.
days as (

    select generate_series(
        least(date '2008-01-01', min(date_trunc('year', first_post_at at time zone 'UTC'))),
        make_date(
            coalesce(
                extract(year from greatest(
                    max(posts_complete_day),
                    max(last_post_at at time zone 'UTC')::date
                )),
                2008
            )::integer,
            12,
            31
        ),
        interval '1 day'
    )::date as day
    from sites

),

final as (

    select
        day,
        date_trunc('month', day)::date as month,
        date_trunc('quarter', day)::date as quarter,
        extract(year from day)::integer as year,
        date_trunc('week', day)::date as week,
        extract(isodow from day)::integer as weekday
    from days

)

select * from final
