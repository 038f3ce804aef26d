{# The last day (UTC) that has ended at a moment; a second's grace, for a cut is the last microsecond of its day. #}
{% macro last_complete_day(moment) -%}
(({{ moment }} + interval '1 second') at time zone 'UTC')::date - 1
{%- endmacro %}
