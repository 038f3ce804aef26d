{#
  Bounds of Wilson's score interval for k successes in n trials (Wilson 1927), 95 %: z is the normal's 97.5 % quantile.
  Rounding may leave [0, 1] by an ulp at k = 0 and k = n, hence the clamps. Null where n is 0.
#}
{% macro wilson_low(k, n) %}
case when ({{ n }}) > 0 then greatest(0, {{ _wilson(k, n, '-') }}) end
{%- endmacro %}

{% macro wilson_high(k, n) %}
case when ({{ n }}) > 0 then least(1, {{ _wilson(k, n, '+') }}) end
{%- endmacro %}

{% macro _wilson(k, n, sign) %}
{%- set z = 1.959963984540054 -%}
{%- set p = '(' ~ k ~ ')::double precision / (' ~ n ~ ')' -%}
({{ p }} + {{ z * z / 2 }} / ({{ n }}) {{ sign }} {{ z }} * sqrt({{ p }} * (1 - {{ p }}) / ({{ n }}) + {{ z * z / 4 }} / ({{ n }})::double precision ^ 2)) / (1 + {{ z * z }} / ({{ n }}))
{%- endmacro %}
