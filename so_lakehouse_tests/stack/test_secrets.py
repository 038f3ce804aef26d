"""Secrets: made once, private, the same names natively and in containers, and never one that could be guessed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.stack import containers, secrets
from so_lakehouse.stack.network import CONTAINERS
from so_lakehouse.stack.secrets import SECRETS, from_environment, kept, variable


def test_they_are_made_once_each_another_in_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    first = dict(kept(tmp_path / "stack"))
    assert set(first) == set(SECRETS)
    assert len(set(first.values())) == len(SECRETS)
    assert dict(kept(tmp_path / "stack")) == first
    file = tmp_path / "stack" / "secrets"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_new_release_adds_its_secrets_and_keeps_the_others(tmp_path: Path) -> None:
    first = dict(kept(tmp_path))
    file = tmp_path / "secrets"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if "SPARK" not in line))
    second = dict(kept(tmp_path))
    assert second["spark"] != first["spark"]
    assert {name: value for name, value in second.items() if name != "spark"} == {
        name: value for name, value in first.items() if name != "spark"
    }


@pytest.mark.parametrize("weak", ["", "changeme", "password", "minioadmin", "a" * 40, "has a space in it 0123456789"])
def test_what_could_be_guessed_or_is_not_set_is_refused(weak: str) -> None:
    given = from_environment({variable("postgres_dbt"): weak})
    with pytest.raises(BadInput, match="LAKEHOUSE_STACK_SECRET_POSTGRES_DBT") as told:
        given["postgres_dbt"]
    if len(weak) > 1:
        assert weak not in str(told.value), "an error is not the place for a password"


def test_the_lines_for_compose_read_back_as_they_are(tmp_path: Path) -> None:
    made = {variable(name): secrets.made() for name in SECRETS}
    (tmp_path / ".env").write_text(secrets.in_lines(made))
    assert secrets.read_variables(tmp_path / ".env") == made


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_containers_are_not_set_up_with_a_weak_secret_whatever_runs_already(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing runs here: it is refused before anybody is asked."""
    for other in SECRETS:
        monkeypatch.setenv(variable(other), "changeme" if other == name else secrets.made())
    with pytest.raises(BadInput, match=variable(name)):
        containers.prepare(Settings(home=tmp_path, stack_network=CONTAINERS), [])
