{# Too few to draw a line through: under 200 questions in all, or under 10 with the tag. #}
{% macro is_small_cell(k, n) -%}
({{ k }} < 10 or {{ n }} < 200)
{%- endmacro %}
