{#
  Ends of Wilson's score interval for k successes in n trials (Wilson 1927), 95 %: z is the normal's 97.5 % quantile.
  Null where n is 0. Rounded to 12 places: what follows is noise of the arithmetic, which would end n in n at 1 - 1e-16.
#}
{% macro wilson_low(k, n) %}{{ wilson_end(k, n, '-') }}{% endmacro %}

{% macro wilson_high(k, n) %}{{ wilson_end(k, n, '+') }}{% endmacro %}

{% macro wilson_end(k, n, sign) -%}
{%- set z = 1.959963984540054 -%}
{%- set n = 'nullif(' ~ n ~ ', 0)::double precision' -%}
{%- set p = k ~ ' / ' ~ n -%}
round((
            ({{ p }} + {{ z * z / 2 }} / {{ n }}
            {{ sign }} {{ z }} * sqrt({{ p }} * (1 - {{ p }}) / {{ n }} + {{ z * z / 4 }} / ({{ n }}) ^ 2))
            / (1 + {{ z * z }} / {{ n }})
        )::numeric, 12)::double precision
{%- endmacro %}
