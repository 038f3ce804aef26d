{# Who wrote a post. The network's own accounts are Community (-1) and the answer bot (-2); a deleted leaves none. #}
{% macro author_kind(user_id) -%}
case when {{ user_id }} > 0 then 'person' when {{ user_id }} <= 0 then 'system' else 'deleted' end
{%- endmacro %}
