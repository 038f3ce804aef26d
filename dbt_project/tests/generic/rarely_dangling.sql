{#
  Of the rows with a `column_name`, at most the share `at_most` has no counterpart in `to`.`field`, site by site.
  Dumps dangle by nature (deleted accounts and posts are not in them), so zero would be the wrong limit.
#}
{% test rarely_dangling(model, column_name, to, field, at_most) %}

select
    child.site,
    count(*) filter (where parent.site is null) as dangling,
    count(*) as total
from {{ model }} as child
left join {{ to }} as parent on parent.site = child.site and parent.{{ field }} = child.{{ column_name }}
where child.{{ column_name }} is not null
group by child.site
having count(*) filter (where parent.site is null) > {{ at_most }} * count(*)

{% endtest %}
