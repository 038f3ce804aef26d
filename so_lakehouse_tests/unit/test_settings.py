"""Settings come from the environment, and what cannot be read is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import PROJECT_ROOT, Settings, as_markdown


def test_an_empty_environment_gives_the_embedded_defaults():
    settings = Settings.from_environment({})
    assert settings.home == PROJECT_ROOT / ".lakehouse"
    assert settings.lake_uri == str(settings.home / "lake")
    assert settings.postgres == ""


def test_a_variable_overrides_its_default():
    settings = Settings.from_environment({"LAKEHOUSE_HOME": "/data/lake house", "LAKEHOUSE_KEEP_PERSONAL": "true"})
    assert settings.home == Path("/data/lake house")
    assert settings.keep_personal is True


def test_each_layer_has_its_own_key_of_the_object_store_or_that_of_all():
    all_of_it = {"LAKEHOUSE_S3_ACCESS_KEY": "all", "LAKEHOUSE_S3_SECRET_KEY": "of it"}
    settings = Settings.from_environment(all_of_it | {"LAKEHOUSE_S3_RAW_KEY": "raw:with:colon"})
    keys = {layer: settings.of_writer(layer) for layer in ("raw", "bronze", "silver", "warehouse")}
    assert (keys["raw"].s3_access_key, keys["raw"].s3_secret_key) == ("raw", "with:colon")
    assert keys["bronze"] == keys["silver"] == keys["warehouse"] == settings
    assert "colon" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LAKEHOUSE_DISK_RESERVE", "1 GB"),
        ("LAKEHOUSE_ACCEPT_SHRINK", "perhaps"),
        ("LAKEHOUSE_API_AUTH", "cookie"),
        ("LAKEHOUSE_NOW", "yesterday"),
        ("LAKEHOUSE_SPARK_MASTER", "localhost"),
        ("LAKEHOUSE_SPARK_MASTER", "local[0]"),
        ("LAKEHOUSE_SPARK_MEMORY", "2gb"),  # which Java does not take
        ("LAKEHOUSE_SPARK_REMOTE", "spark://host:7077"),
        ("LAKEHOUSE_METASTORE", "host:9083"),
        ("LAKEHOUSE_BRONZE_QUARTERS", "0"),
        ("LAKEHOUSE_RETRY_SECONDS", "0"),
        ("LAKEHOUSE_API_START", "20260101"),
        ("LAKEHOUSE_S3_RAW_KEY", "s3-raw"),  # and its secret?
        ("LAKEHOUSE_API_RESERVE", "60"),  # with the shares of the others, all of the quota
    ],
)
def test_what_cannot_be_read_is_refused_with_the_name_of_its_variable(variable, text):
    with pytest.raises(BadInput, match=variable):
        Settings.from_environment({variable: text})


@pytest.mark.parametrize("master", ["local", "local[2,4]", "spark://a:7077,b:7077", "spark://[::1]:7077", "yarn"])
def test_what_spark_takes_as_a_master_is_taken(master):
    assert Settings.from_environment({"LAKEHOUSE_SPARK_MASTER": master}).spark_master == master


def test_a_secret_that_cannot_be_read_is_not_shown():
    with pytest.raises(BadInput, match="LAKEHOUSE_SPARK_REMOTE") as refused:
        Settings.from_environment({"LAKEHOUSE_SPARK_REMOTE": "host:15002/;token=a-secret"})
    assert "a-secret" not in str(refused.value)


def test_the_page_of_settings_is_current():
    page = PROJECT_ROOT / "docs" / "settings.md"
    assert page.read_text() == as_markdown(), "write it anew: see CONTRIBUTING.md"


def test_a_folder_is_the_same_one_wherever_a_process_starts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"LAKEHOUSE_LAKE": "data/lake", "LAKEHOUSE_MIRROR": "dumps"}
    settings = Settings.from_environment(given)
    assert (settings.lake, settings.mirror) == (str(tmp_path / "data" / "lake"), str(tmp_path / "dumps"))


def test_an_address_stays_as_it_is():
    settings = Settings.from_environment({"LAKEHOUSE_MIRROR": "https://example.org/dumps/"})
    assert settings.mirror == "https://example.org/dumps/"


@pytest.mark.parametrize("variable", ["LAKEHOUSE_POSTGRES_DBT", "LAKEHOUSE_POSTGRES_READER"])
def test_a_role_of_its_own_is_refused_where_the_server_is_the_embedded_one(variable: str) -> None:
    with pytest.raises(BadInput, match=f"{variable}.* set LAKEHOUSE_POSTGRES too"):
        Settings.from_environment({variable: "postgresql://dbt:secret@host/lakehouse"})


# Whatever else is an address or a key must be named here, or be known to hold no secret.
SECRETS = {
    "LAKEHOUSE_S3_SECRET_KEY": "a-secret",
    "LAKEHOUSE_API_KEY": "a-secret",
    "LAKEHOUSE_POSTGRES": "postgresql://user:a-secret@host/lakehouse",
    "LAKEHOUSE_POSTGRES_DBT": "postgresql://dbt:a-secret@host/lakehouse",
    "LAKEHOUSE_POSTGRES_READER": "postgresql://reader:a-secret@host/lakehouse",
    "LAKEHOUSE_SPARK_REMOTE": "sc://host:15002/;token=a-secret",
}


def test_settings_that_are_printed_tell_no_secret():
    assert "a-secret" not in repr(Settings.from_environment(SECRETS))


def test_the_public_apis_quota_is_shared_by_all_of_a_users_lakehouses():
    first, second = (
        Settings.from_environment({"HOME": "/home/ann", "LAKEHOUSE_HOME": home}) for home in ("/data/a", "/data/b")
    )
    assert first.api_budget == second.api_budget == Path("/home/ann/.local/state/so_lakehouse/api.sqlite")
    moved = Settings.from_environment({"HOME": "/home/ann", "XDG_STATE_HOME": "/state"})
    assert moved.api_budget == Path("/state/so_lakehouse/api.sqlite")


def test_another_apis_quota_and_that_of_one_without_a_home_are_the_lakehouses_own():
    served = {"HOME": "/home/ann", "LAKEHOUSE_HOME": "/data/a", "LAKEHOUSE_API": "http://127.0.0.1:8000/2.3"}
    assert Settings.from_environment(served).api_budget == Path("/data/a/api.sqlite")
    for nowhere in ({}, {"XDG_STATE_HOME": "state"}):
        assert Settings.from_environment(nowhere | {"LAKEHOUSE_HOME": "/data/a"}).api_budget == Path(
            "/data/a/api.sqlite"
        )


def test_a_file_that_was_named_is_the_budget_of_any_api(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for api in ("", "http://127.0.0.1:8000/2.3"):
        named = {"HOME": "/home/ann", "LAKEHOUSE_API": api, "LAKEHOUSE_API_BUDGET": "budget.sqlite"}
        assert Settings.from_environment(named).api_budget == tmp_path / "budget.sqlite"
