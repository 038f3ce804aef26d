{#
  Replaces a view in place. dbt's own materialization drops the old view together with every view that reads it, so that
  whoever queries `intermediate` in mid-run finds nothing there.
#}
{% materialization view, adapter='postgres' %}
  {%- set target_relation = this.incorporate(type='view') -%}

  {{ run_hooks(pre_hooks, inside_transaction=False) }}
  {{ run_hooks(pre_hooks, inside_transaction=True) }}

  {% if config.get('contract').enforced %}{% do get_assert_columns_equivalent(sql) %}{% endif %}

  {% call statement('main') -%}
    do $replace_view$ begin
      create or replace view {{ target_relation }} as {{ sql }};
    exception when invalid_table_definition then  -- other columns than before: only then must the old one go
      drop view {{ target_relation }} cascade;
      create view {{ target_relation }} as {{ sql }};
    end $replace_view$
  {%- endcall %}

  {% do persist_docs(target_relation, model) %}
  {{ run_hooks(post_hooks, inside_transaction=True) }}
  {% do adapter.commit() %}
  {{ run_hooks(post_hooks, inside_transaction=False) }}

  {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
