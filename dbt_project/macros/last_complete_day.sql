{# The last day (UTC) that ends not later than a moment; a second's grace, for the last microsecond of a day is its end. #}
{% macro last_complete_day(moment) -%}
(({{ moment }} + interval '1 second') at time zone 'UTC')::date - 1
{%- endmacro %}
