{# Whether data that is complete up to and with `day` reaches the month's end; false where no day is known. #}
{% macro is_complete_month(month, day) -%}
coalesce(({{ month }} + interval '1 month')::date - 1 <= {{ day }}, false)
{%- endmacro %}
