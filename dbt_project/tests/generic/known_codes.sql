{# Rows hold none but the declared codes; a new one means a kind of thing that no model knows. #}
{% test known_codes(model, column_name, codes) %}

select site, {{ column_name }}, count(*) as rows
from {{ model }}
where {{ column_name }} not in ({{ codes | join(', ') }})
group by site, {{ column_name }}

{% endtest %}
