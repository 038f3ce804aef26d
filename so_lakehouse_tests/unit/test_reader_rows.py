"""The grammar of rows: what is a row however it is spelled, and what a fault costs."""

from __future__ import annotations

import pytest

from so_lakehouse_tests.dump_reading import document, read, read_row

GOOD = b'<row Id="2" Body="good" />'


@pytest.mark.parametrize(
    "spelled",
    [
        b'<row Id="1" Title="a" Score="3"/>',
        b'<row Id="1" Title="a" Score="3" />',
        b'<row Score="3" Title="a" Id="1" />',
        b"<row Id='1' Title='a' Score='3' />",
        b'<row\tId="1"\r\n  Title="a"\n\nScore="3"\t/>',
        b'<row Id = "1" Title= "a" Score ="3" />',
        b'<row Id="1" Title="a" Score="3"></row>',
        b'<row Id="1" Title="a" Score="3" >\r\n  </row  >',
    ],
)
def test_a_row_means_the_same_however_it_is_legally_spelled(spelled: bytes) -> None:
    reading = read_row(spelled)
    assert [(row["Id"], row["Title"], row["Score"]) for row in reading.rows] == [(1, "a", 3)]
    assert reading.refused == []


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r", b"", b"\n\n   \t\n"])
def test_rows_are_found_whatever_stands_between_them(newline: bytes) -> None:
    rows = newline.join(b'<row Id="%d" />' % k for k in range(50))
    reading = read(b"<posts>" + rows + b"</posts>")
    assert reading.ids == list(range(50))


def test_an_angle_bracket_or_the_other_quote_inside_a_value_is_text() -> None:
    reading = read_row(b"""<row Id="1" Title="a > b's />" Body='say "hi" >' />""")
    assert reading.rows[0]["Title"] == "a > b's />"
    assert reading.rows[0]["Body"] == 'say "hi" >'


def test_attributes_that_the_schema_does_not_know_are_kept_and_counted_by_name() -> None:
    reading = read(
        document(
            b'<row Id="1" NewThing="x &amp; y" Title="t" />',
            b'<row Id="2" />',
            b'<row Id="3" NewThing="" Other="&#955;" />',
        )
    )
    assert [row.get("_extra") for row in reading.rows] == [
        {"NewThing": "x & y"},
        None,
        {"NewThing": "", "Other": "λ"},
    ]
    assert reading.tally.unknown_attributes == {"NewThing": 2, "Other": 1}


def test_a_name_that_only_begins_like_a_column_is_another_attribute() -> None:
    reading = read_row(b'<row Id="1" Idx="2" Titl="a" TitleX="b" />')
    assert reading.rows[0] == {"Id": 1, "_extra": {"Idx": "2", "Titl": "a", "TitleX": "b"}, "_offset": 51}


def test_an_empty_text_is_a_text_and_an_empty_number_or_date_is_none() -> None:
    reading = read_row(b'<row Id="1" Title="" ViewCount="" ClosedDate="" />')
    assert reading.rows == [{"Id": 1, "Title": "", "_offset": 51}]


def test_the_offset_of_a_row_is_that_of_its_first_byte_in_the_file() -> None:
    content = b"\xef\xbb\xbf" + document(b'<row Id="1" Body="&#955;\xce\xbb" />', b'<row Id="2" />', b'<row Id="x" />')
    reading = read(content)
    for row in reading.rows:
        assert content[row["_offset"] :].startswith(b'<row Id="%d"' % row["Id"])
    assert content[reading.refused[0].offset :].startswith(b'<row Id="x"')


# (spelling of a row that cannot be read, reason, key or None, a part of what people are told)
FAULTS = [
    (b'<row Id="1" Title="a < b" />', "unescaped_less_than", 1, "a < b"),
    (b'<row Id="1" Title="never closed />', "unescaped_less_than", 1, "closing quote is missing"),
    (b'<row Id="1" Title="a Score="3" />', "missing_space", 1, "white space"),
    (b'<row Id="1"Title="a" />', "missing_space", None, "white space"),
    (b'<row Id="1" Title=a />', "malformed_attribute", 1, 'name="value"'),
    (b'<row Id="1" Title />', "malformed_attribute", 1, 'name="value"'),
    (b'<row Id="1" ="a" />', "malformed_attribute", 1, 'name="value"'),
    (b'<row Id="1" / >', "malformed_attribute", 1, 'name="value"'),
    (b'<row Id="1" Title="a" Title="a" />', "doubled_attribute", 1, "twice"),
    (b'<row Id="1" New="a" New="b" />', "doubled_attribute", 1, "twice"),
    (b'<row Id="1" Id="1" />', "doubled_attribute", None, "twice"),
    (b'<row Id="1" Id="7" />', "doubled_attribute", None, "twice"),
    (b'<row Id="1">text</row>', "content", 1, "between its tags"),
    (b'<row Id="1"><b /></row>', "content", 1, "between its tags"),
    (b'<row Id="1"><row Id="7" /></row>', "content", None, "between its tags"),
    (b'<row Id="1" Bo<row Id="7" />', "malformed_attribute", None, 'name="value"'),
    (b'<row Id="1" Title="a <row Id="7" />', "unescaped_less_than", None, "a <row"),
    (b"\xef\xbb\xbf", "not_a_row", None, "no row"),
    (b"\0", "not_a_row", None, "no row"),
    (b'row Id="1" />', "not_a_row", None, "no row"),
    (b'<raw Id="1" />', "not_a_row", None, "no row"),
    (b'<rowing Id="1" />', "not_a_row", None, "no row"),
    (b"</row>", "not_a_row", None, "no row"),
    (b"<![CDATA[ x ]]>", "not_a_row", None, "no row"),
    (b'<row Title="a" />', "missing_id", None, "no Id"),
    (b'<row Id="" Title="a" />', "missing_id", None, "no Id"),
    (b'<row Id="1e9" />', "not_an_integer", None, "Id: not a whole number: 1e9"),
    (b'<row Id="+5" />', "not_an_integer", None, "+5"),
    (b'<row Id=" 5" />', "not_an_integer", None, "whole number"),
    (b'<row Id="9223372036854775808" />', "out_of_range", None, "too large"),
    (b'<row Id="1" Score="3.5" />', "not_an_integer", 1, "Score: not a whole number: 3.5"),
    (b'<row Id="1" ClosedDate="today" />', "not_a_timestamp", 1, "ClosedDate"),
    (b'<row Id="1" Body="&nbsp;" />', "unknown_reference", 1, "Body"),
    (b'<row Id="1" Body="&#0;" />', "illegal_character", 1, "Body"),
    (b'<row Id="1" Body="\xff" />', "invalid_encoding", 1, "Body"),
    (
        b'<row Id="1" New="&bogus;" />',
        "unknown_reference",
        1,
        "New: an `&` that begins no reference",
    ),
    (b'<row Id="1" A="1" N\0w="x" />', "illegal_character", 1, "N\0w: a NUL"),
    (
        b"<row " + b" ".join(b'A%d="1"' % k for k in range(100)) + b' Id="1" />',
        "too_many_attributes",
        1,
        "more unknown",
    ),
]


@pytest.mark.parametrize(
    ("spelled", "reason", "key", "told"), FAULTS, ids=[f"{k}-{row[1]}" for k, row in enumerate(FAULTS)]
)
def test_a_fault_costs_that_row_only_and_keeps_its_bytes(
    spelled: bytes, reason: str, key: int | None, told: str
) -> None:
    content = document(b'<row Id="11" />', spelled, GOOD, b'<row Id="12" />')
    reading = read(content)
    assert reading.ids == [11, 2, 12]
    (refused,) = reading.refused
    assert (refused.reason, refused.key, refused.raw) == (reason, key, spelled)
    assert told in refused.detail
    assert content[refused.offset :].startswith(spelled)
    begun = max(1, spelled.count(b"<row "))
    assert reading.tally.rows_in_file == 3 + begun
    assert reading.tally.refused_without_key == (begun if key is None else 0)


def test_a_key_that_stands_after_the_fault_is_not_guessed() -> None:
    reading = read_row(b'<row Title="a "b" Id="5" />')
    assert reading.refused[0].key is None


def test_text_between_rows_costs_no_row_beside_it_though_no_line_ends_there() -> None:
    rows = (b'<row Id="1" />', b"\xef\xbb\xbf", b'<row Id="2" />', b" & more > ", b'<row Id="3" />', b"the end")
    reading = read(b"<posts>" + b"".join(rows) + b"</posts>")
    assert reading.ids == [1, 2, 3]
    assert [row.raw for row in reading.refused] == [b"\xef\xbb\xbf", b"& more >", b"the end"]
    assert reading.tally.rows_in_file == 6


def test_a_row_cut_off_in_the_middle_of_the_file_costs_only_itself() -> None:
    reading = read(document(b'<row Id="1" Body="abc', GOOD, b"<row Id=", b'<row Id="3" />'))
    assert reading.ids == [2, 3]
    assert reading.reasons == ["unescaped_less_than", "malformed_attribute"]


def test_a_row_of_which_only_the_name_is_left_is_one_refused_row() -> None:
    """The space behind the name tells it from another element, and is no part of what is kept."""
    reading = read(b'<posts>\n  <row Id="1" />\n  <row \n</posts>')
    assert (reading.ids, [refused.raw for refused in reading.refused]) == ([1], [b"<row"])


def test_a_quote_missing_in_the_last_row_does_not_swallow_the_end() -> None:
    reading = read(document(GOOD, b'<row Id="3" Body="abc />'))
    assert (reading.ids, reading.reasons) == ([2], ["unescaped_less_than"])


def test_a_quote_missing_in_the_last_row_of_a_file_without_line_ends_costs_only_that_row() -> None:
    last = b'<row Id="2" Title="x<b"></row ></posts>'
    for end in (b'<row Id="2" Title="x</posts>\n', b"<b></b></posts>\n", b"<!x></posts>\n", last):
        reading = read(b'<posts>\n<row Id="1"/>\n' + end)
        assert (reading.ids, reading.tally.refused) == ([1], 1), end


def test_what_hides_where_rows_begin_counts_as_many_rows_as_begin_there() -> None:
    merged = read(b'<posts><row Id="1" Body="a<row Id="2" Body="b<row Id="3" Body="c<row Id="4" /></posts>')
    assert (merged.tally.rows_in_file, merged.tally.refused, merged.tally.refused_without_key) == (4, 4, 4)
    assert "4 rows begin" in merged.refused[0].detail
    others = read(document(*[b'<ROW Id="%d" />' % k for k in range(5_000)]))
    assert (others.tally.rows_in_file, others.tally.refused) == (5_000, 5_000)


@pytest.mark.parametrize("around", [(b"<!--", b"-->"), (b"<?x", b"?>"), (b"<![CDATA[", b"]]>")])
@pytest.mark.parametrize("before", [b"", b'<row Id="1" Body="x<y" />'])
@pytest.mark.parametrize("between", [b"\n", b""])
def test_a_row_in_a_comment_is_none_also_after_a_fault(
    around: tuple[bytes, bytes], before: bytes, between: bytes
) -> None:
    inside = between + b'<row Id="7" />' + between
    reading = read(b"<posts>" + between.join((before, around[0] + inside + around[1], b'<row Id="2"/>')) + b"</posts>")
    assert reading.ids == [2]


def test_a_comment_that_never_ends_after_a_fault_costs_no_row_behind_it() -> None:
    reading = read(document(b'<row Id="1" Body="x<y" />', b"<!-- open", b'<row Id="2"/>'))
    assert reading.ids == [2]


def test_rows_that_cannot_be_read_side_by_side_are_counted_one_by_one() -> None:
    reading = read(document(*[b'<row Id="x%d" />' % k for k in range(5_000)]))
    assert reading.tally.rows_in_file == 5_000
    assert reading.tally.refused == 5_000


def test_spelling_faults_beyond_one_table_of_them_are_all_kept() -> None:
    rows = [b'<row Id="%d" Title=bad />' % k for k in range(3_000)] + [GOOD]
    reading = read(document(*rows))
    assert [row.key for row in reading.refused] == list(range(3_000))
    assert reading.ids == [2]


def test_two_rows_with_one_id_are_both_kept_whether_equal_or_not() -> None:
    reading = read(document(b'<row Id="1" Title="a" />', b'<row Id="1" Title="a" />', b'<row Id="1" Title="b" />'))
    assert [(row["Id"], row["Title"]) for row in reading.rows] == [(1, "a"), (1, "a"), (1, "b")]


@pytest.mark.parametrize("block_bytes", range(1, 120))
def test_it_makes_no_difference_where_a_block_ends(block_bytes: int) -> None:
    content = document(
        b'<row Id="1" Title="a &amp; b &#x1F600;" NewThing="&#10;" />',
        b"<row Id='2' Body='\xce\xbb &lt;p&gt;' ></row>",
        b'<row Id="3" Title="x < y" />',
        b"<!-- <row Id='9' /> -->",
        b'<row Id="z" />',
        before=b"\xef\xbb\xbf" + b'<?xml version="1.0"?><!-- licence -->\n',
        after=b"\n<!-- end -->\n",
    )
    whole, cut = read(content), read(content, block_bytes=block_bytes)
    assert cut.rows == whole.rows
    assert cut.refused == whole.refused
    assert cut.tally == whole.tally
    assert (whole.ids, whole.reasons) == ([1, 2], ["unescaped_less_than", "not_an_integer"])


@pytest.mark.parametrize("megabytes", [1, 100])
def test_an_attribute_of_many_megabytes_is_read(megabytes: int) -> None:
    text = b"0123456789abcde&amp;" * (megabytes * 50_000)
    reading = read(document(b'<row Id="1" Body="' + text + b'" />', GOOD))
    assert reading.ids == [1, 2]
    assert len(reading.rows[0]["Body"]) == megabytes * 16 * 50_000
    assert reading.rows[0]["Body"].startswith("0123456789abcde&0")
