-- Every month of a site's life is a day of the calendar: who joins the two loses no month.
{{ config(meta={'dagster': {'ref': {'name': 'activity_month'}}}) }}

select activity.site, activity.month
from {{ ref('activity_month') }} as activity
left join {{ ref('dim_date') }} as calendar on calendar.day = activity.month
where calendar.day is null
