"""Spark's jars: only the locked bytes get a jar's name."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.spark.jars import Jar, resolve_jars

# A Java that knows its version, and in place of Apache Ivy brings a jar of the same bytes whatever it is asked for.
JAVA = """#!/bin/bash
if [ "$1" = -version ]; then echo 'openjdk version "17.0.15"' >&2; exit; fi
while [ "$1" != -retrieve ]; do shift; done
mkdir -p "${2%/*}" && printf 'what came' > "${2%/*}/delta-1.jar"
"""


@dataclass(frozen=True)
class Installed(Settings):
    """Settings of an installation of its own."""

    @property
    def jars_folder(self) -> Path:
        return self.home / "jars"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(JAVA)
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "java"))
    return Installed(home=tmp_path)


def jar(content: bytes) -> Jar:
    return Jar("io.delta:delta:1", "delta-1.jar", sha256(content).hexdigest())


def test_a_jar_of_the_locked_bytes_is_kept_and_not_brought_again(settings):
    wanted = jar(b"what came")
    assert resolve_jars(settings, [wanted]) == [wanted]
    assert [file.name for file in settings.jars_folder.iterdir()] == [wanted.file]
    assert resolve_jars(settings, [wanted]) == []


def test_other_bytes_than_the_locked_ones_are_refused_and_nothing_is_kept(settings):
    wanted = jar(b"what was locked")
    with pytest.raises(BadInput, match=f"io.delta:delta:1: .*{wanted.sha256}.* Nothing was kept"):
        resolve_jars(settings, [wanted])
    assert list(settings.jars_folder.iterdir()) == []


def test_bytes_that_changed_since_are_no_longer_the_jar(settings):
    wanted = jar(b"what came")
    settings.jars_folder.mkdir()
    (settings.jars_folder / wanted.file).write_bytes(b"half")
    assert resolve_jars(settings, [wanted]) == [wanted]
    assert (settings.jars_folder / wanted.file).read_bytes() == b"what came"
