with sites as (

    select * from {{ ref('dim_site') }}

),

-- From the year the network began to the end of the last loaded year. Days of the API bring posts that are newer than
-- what is complete; a date that lies in the future is an error and makes no calendar.
days as (

    select generate_series(
        least(date '2008-01-01', min(date_trunc('year', first_post_at at time zone 'UTC'))),
        make_date(
            coalesce(
                extract(year from greatest(
                    max(posts_complete_day),
                    least(max(last_post_at at time zone 'UTC')::date, current_date)
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
