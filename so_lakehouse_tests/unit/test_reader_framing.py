"""What stands around the rows, the encoding of a file, and the faults that cost a whole file."""

from __future__ import annotations

import pytest

from so_lakehouse.dumps import window
from so_lakehouse.errors import BadInput
from so_lakehouse_tests.dump_reading import document, read

ROWS = (b'<row Id="1" Title="caf\xc3\xa9 &amp; \xf0\x9f\x98\x80" />', b'<row Id="2" Title="b" />', b'<row Id="x" />')
PLAIN = document(*ROWS)
LICENCE = b"<!--\r\n  All content is licensed. <posts> <row Id='9' />\r\n     -->\r\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b"\r\n", b"\n"),
        document(*ROWS, before=b""),
        document(*ROWS, before=b'<?xml version="1.0" encoding="utf-8"?>\r\n' + LICENCE),
        document(*ROWS, before=b'<?xml version="1.0"?>' + LICENCE * 3),
        document(*ROWS, after=b"\r\n" + LICENCE + b"\n<!-- and more --> <?end?>\n"),
        document(*ROWS, after=b"\r\n\r\n   "),
        document(*ROWS, after=b" \n" * 2_500_000),
        document(*ROWS, after=(b"<!-- " + b"x" * 10_000 + b" -->") * 500),
        document(ROWS[0], b"<!-- between <row Id='7' /> -->", ROWS[1], b"<?pi <row Id='8' />?>", ROWS[2]),
        PLAIN.replace(b"<posts>", b"<posts xmlns:x='y'\n n=\"1\" >").replace(b"</posts>", b"</posts \r\n>"),
        PLAIN.replace(b"posts>", b"Posts>"),
        PLAIN.replace(b"  <row", b"<row"),
        PLAIN.replace(b"  <row", b"\t\t<row"),
    ],
)
def test_the_rows_are_the_same_whatever_stands_around_them(content: bytes) -> None:
    reading = read(content)
    assert [row["Title"] for row in reading.rows] == ["café & 😀", "b"]
    assert reading.reasons == ["not_an_integer"]
    assert reading.tally.rows_in_file == 3


@pytest.mark.parametrize(
    "empty",
    [b"<posts />", b"<posts/>", b"<posts></posts>", b"<posts>\r\n</posts>\r\n", b"<posts><!-- none --></posts>"],
)
def test_an_empty_table_is_no_error(empty: bytes) -> None:
    reading = read(b'<?xml version="1.0" encoding="utf-8"?>\r\n' + empty)
    assert (reading.rows, reading.refused, reading.tally.rows_in_file) == ([], [], 0)


# --- encodings


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("block_bytes", [7, 64, 1 << 20])
def test_utf16_is_read_with_and_without_a_mark_and_keeps_offsets_and_bytes(
    encoding: str, mark: bool, block_bytes: int
) -> None:
    text = PLAIN.decode().replace("\r\n", "\n").replace("  <row", "<row")
    content = ("\ufeff" * mark + text).encode(encoding)
    reading = read(content, block_bytes=block_bytes)
    assert [row["Title"] for row in reading.rows] == ["café & 😀", "b"]
    for row in reading.rows:
        assert content[row["_offset"] :].startswith(f'<row Id="{row["Id"]}"'.encode(encoding))
    (refused,) = reading.refused
    assert refused.raw == '<row Id="x" />'.encode(encoding)
    assert content[refused.offset :].startswith(refused.raw)
    assert reading.tally.encoding == f"{encoding} (declared utf-8)"


def test_a_lone_surrogate_in_utf16_costs_its_row_and_its_bytes_are_kept() -> None:
    row = '<row Id="5" Title="a'.encode("utf-16-le") + b"\x3d\xd8" + '" />\n'.encode("utf-16-le")
    content = b"\xff\xfe" + "<posts>\n".encode("utf-16-le") + row + '<row Id="6" />\n</posts>'.encode("utf-16-le")
    reading = read(content)
    assert reading.ids == [6]
    assert (reading.refused[0].reason, reading.refused[0].key) == ("invalid_encoding", 5)
    assert reading.refused[0].raw == row[:-2]
    assert content[reading.rows[0]["_offset"] :].startswith('<row Id="6"'.encode("utf-16-le"))


def test_utf16_that_ends_inside_a_character_is_an_error() -> None:
    with pytest.raises(BadInput, match="ends inside a character of utf-16-le"):
        read(b"\xff\xfe" + PLAIN.decode().encode("utf-16-le") + b"\n")


@pytest.mark.parametrize("declared", [b"utf-16", b"iso-8859-1", b"windows-1252"])
def test_a_wrong_declaration_is_noted_and_not_believed(declared: bytes) -> None:
    reading = read(PLAIN.replace(b"utf-8", declared))
    assert [row["Title"] for row in reading.rows] == ["café & 😀", "b"]
    assert reading.tally.encoding == f"utf-8 (declared {declared.decode()})"


def test_a_file_in_latin1_loses_no_row_and_mistakes_none() -> None:
    content = document('<row Id="1" Title="café" />'.encode("latin-1"), b'<row Id="2" Title="plain" />')
    reading = read(content.replace(b"utf-8", b"iso-8859-1"))
    assert (reading.ids, reading.reasons) == ([2], ["invalid_encoding"])


@pytest.mark.parametrize("content", [PLAIN, b"\xef\xbb\xbf" + PLAIN, PLAIN.replace(b"utf-8", b"UTF-8")])
def test_a_right_declaration_is_not_noted(content: bytes) -> None:
    assert read(content).tally.encoding == "utf-8"


# --- faults of a file


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (b" \r\n ", "the file is empty"),
        (b"\xff\xfe", "the file is empty"),
        (b"hello", "at byte 0 <posts> should be opened, but there stands 'hello'"),
        (b"hello" * 1000, "<posts> should be opened"),
        (b"\0" * 100, "<posts> should be opened"),
        (b'{"items": []}', "<posts> should be opened"),
        (b"\xef\xbb\xbf" * 2 + PLAIN, "at byte 3 <posts> should be opened"),
        (PLAIN.replace(b"<posts>", b"<posts open>"), "at byte 40 <posts> should be opened.*'<posts open>"),
        (PLAIN.replace(b"<posts>", b"<x:posts>"), "there stands '<x:posts>"),
        (b"<![CDATA[ x ]]>" + PLAIN, "at byte 0 <posts> should be opened"),
        (b"\xff\xfe" + "<!ELEMENT posts ANY>".encode("utf-16-le"), "at byte 2 <posts> should be opened"),
        (b" " * 3_000_000 + PLAIN, "nothing but comments and space came before it"),
        (b'<?xml version="1.0"?>', "ends before its root"),
        (b"<!-- no end", "ends before its root"),
        (b"<posts", "ends before its root"),
        (b"<users></users>", "its root is <users>, not <posts>"),
        (b"<posts>", "ends early"),
        (b"<posts>\r\n", "ends early"),
        (PLAIN[: PLAIN.index(b"b")], "ends early|before its root"),
        (PLAIN.replace(b"</posts>", b""), "ends early.*without </posts>"),
        (PLAIN.replace(b"</posts>", b"</users>"), "ends early"),
        (PLAIN.replace(b"</posts>", b"</posts"), "ends early"),
        (PLAIN.replace(b"</posts>", b"<!-- open"), "ends early"),
        (PLAIN.replace(b"</posts>", b"</postscript>"), "ends early"),
        (PLAIN + b"more", f"at byte {len(PLAIN)}, after </posts>, the file should end, but there stands 'more'"),
        (PLAIN + b"<posts></posts>", "after </posts>"),
        (PLAIN + b"\0", "after </posts>"),
        (PLAIN + b"<row Id='4' />", "after </posts>"),
        (PLAIN + b"x" * 3_000_000, "after </posts>"),
        (PLAIN + b" " * 5_000_000 + b"<row Id='4' />", f"at byte {len(PLAIN) + 5_000_000:,}, after </posts>"),
        (PLAIN + b" <!-- no end", f"at byte {len(PLAIN) + 1}, after </posts>"),
    ],
)
def test_a_file_that_is_no_whole_table_is_an_error_that_says_where(content: bytes, told: str) -> None:
    with pytest.raises(BadInput, match=told) as error:
        read(content, where="beer: beer.stackexchange.com.7z > Posts.xml")
    assert str(error.value).startswith("beer: beer.stackexchange.com.7z > Posts.xml")
    assert "Nothing was published" in str(error.value)


@pytest.mark.parametrize(
    "dangerous",
    [
        b"<!DOCTYPE posts>",
        b'<!DOCTYPE posts [<!ENTITY x "y">]>',
        b'<!DOCTYPE posts SYSTEM "file:///etc/passwd">',
        b'<!ENTITY x "y">',
        b"<!doctype posts>",
        b"<! DOCTYPE posts>",
    ],
)
def test_document_types_and_entities_are_refused_wherever_they_stand(dangerous: bytes) -> None:
    for content in (
        document(*ROWS, before=b'<?xml version="1.0"?>' + dangerous),
        document(*ROWS, before=b"<!-- c -->" + dangerous + b"\r\n"),
        document(ROWS[0], dangerous, ROWS[1]),
        document(*ROWS, after=b"\r\n" + dangerous),
    ):
        with pytest.raises(BadInput, match=r"holds <!(DOCTYPE|ENTITY)"):
            read(content)
        with pytest.raises(BadInput, match=r"holds <!(DOCTYPE|ENTITY)"):
            read(content, block_bytes=13)


def test_in_a_comment_the_words_mean_nothing() -> None:
    assert read(document(*ROWS, before=b"<!-- <!DOCTYPE x> <!ENTITY y> -->")).ids == [1, 2]


@pytest.mark.parametrize("content", [PLAIN, PLAIN + b"\r\n<!-- end -->", b"\xef\xbb\xbf" + PLAIN, b"<posts/>"])
def test_a_file_that_ends_where_a_block_ends_is_whole(content: bytes) -> None:
    whole = read(content)
    for block_bytes in range(1, len(content) + 2):
        assert read(content, block_bytes=block_bytes) == whole


@pytest.mark.parametrize("length", range(len(PLAIN)))
def test_a_file_cut_at_any_byte_is_an_error_and_never_a_short_table(length: int) -> None:
    with pytest.raises(BadInput):
        read(PLAIN[:length])


def test_a_document_type_is_refused_also_behind_a_row_that_cannot_be_read() -> None:
    with pytest.raises(BadInput, match="holds <!DOCTYPE"):
        read(document(b'<row Id="1" Body="a<b"/>', b"<!DOCTYPE x>", b'<row Id="2"/>'))


def test_an_instruction_full_of_declarations_is_read_at_once() -> None:
    assert read(b"<?" + b"<?xml " * 170_000 + b"?><posts></posts>").ids == []


def test_a_row_beyond_the_limit_is_an_error_and_not_all_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MAX_ROW_BYTES", 1 << 20)
    with pytest.raises(BadInput, match=r"beer: Posts.xml: what begins at byte 5\d, .* is a row of more than 1,048,576"):
        read(document(b'<row Id="1" Body="' + b"x" * (5 << 20) + b'" />'), block_bytes=1 << 16)


@pytest.mark.parametrize("block_bytes", [1_000, 4_096, 50_000])
@pytest.mark.parametrize("before", [b"", b'<row Id="2" />' * 3_000])
def test_the_limit_of_a_row_depends_on_its_bytes_alone(
    block_bytes: int, before: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MAX_ROW_BYTES", 1 << 16)
    row = b'<row Id="1" Body="%s" />'
    largest = row % (b"x" * ((1 << 16) - len(row) + 2))
    assert len(largest) == 1 << 16
    assert read(document(before + largest), block_bytes=block_bytes).ids[-1] == 1
    with pytest.raises(BadInput, match="a row of more than 65,536 bytes"):
        read(document(before + largest.replace(b"x", b"xx", 1)), block_bytes=block_bytes)


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", [True, False])
def test_utf32_is_refused_by_its_name(encoding: str, mark: bool) -> None:
    with pytest.raises(BadInput, match=r"beer: Posts.xml: the file is UTF-32.*Nothing was published"):
        read(("\ufeff" * mark + PLAIN.decode()).encode(encoding))


def test_an_endless_comment_is_an_error() -> None:
    with pytest.raises(BadInput, match=r"never ends|<posts> should be opened"):
        read(b"<!--" + b"x" * (3 << 20))
    with pytest.raises(BadInput, match="never ends"):
        read(b"<posts><!--" + b"x" * (3 << 20))
