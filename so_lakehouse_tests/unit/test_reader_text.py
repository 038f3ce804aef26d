"""Text: what references and bytes stand for, and which of them no text can hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from so_lakehouse_tests.dump_reading import refusal_of, value_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("spelled", "meant"),
    [
        (b"&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
        (b"&amp;lt; &amp;amp;", "&lt; &amp;"),
        (b"a&#xA;b&#xD;&#x9;", "a\nb\r\t"),
        (b"&#10;&#13;&#9;&#39;&#039;", "\n\r\t''"),
        (b"&#x41;&#65;&#x000041;&#0000000000000065;", "AAAA"),
        (b"&#x3bb;&#X".replace(b"&#X", b"") + b"&#x3BB;&#955;", "λλλ"),
        (b"&#x80;&#x7FF;&#x800;&#xFFFD;&#x10000;&#x10FFFF;", "\x80\u07ff\u0800\ufffd\U00010000\U0010ffff"),
        (b"&#xD7FF;&#xE000;", "\ud7ff\ue000"),
        (b"&#xFFFE;&#xFFFF;", "\ufffe\uffff"),
        (b"&#1;&#x1E;&#x1F;&#x7F;", "\x01\x1e\x1f\x7f"),
        (b"a\tb\nc\rd\r\ne", "a b c d e"),
        (b"\r\n\r\n\n\r", "    "),
        (b"\x01\x1f\x7f", "\x01\x1f\x7f"),
        ("λ € 😀 \u0080\ud7ff\ue000\U0010ffff".encode(), "λ € 😀 \u0080\ud7ff\ue000\U0010ffff"),
        (b"", ""),
        (b" a ", " a "),
    ],
)
def test_text_is_what_its_references_and_bytes_stand_for(spelled: bytes, meant: str) -> None:
    assert value_of("Body", spelled) == meant


def test_every_control_character_but_nul_is_kept_from_a_reference() -> None:
    references = b"".join(b"&#%d;" % code for code in range(1, 32))
    assert value_of("Body", references) == "".join(map(chr, range(1, 32)))


def test_every_kind_of_character_is_read_from_a_reference_decimal_or_hexadecimal() -> None:
    characters = [*range(1, 0x1000), *range(0x1000, 0xD800, 97), *range(0xE000, 0x110000, 251)]
    for spelling in (b"&#%d;", b"&#x%x;", b"&#x%X;", b"&#x%08x;"):
        spelled = b"".join(spelling % code for code in characters)
        assert value_of("Body", spelled) == "".join(map(chr, characters))


@pytest.mark.parametrize(
    "reference",
    [
        b"&#0;",
        b"&#x0;",
        b"&#00;",
        b"&#xD800;",
        b"&#xDFFF;",
        b"&#55296;",
        b"&#x110000;",
        b"&#4294967361;",
        b"&#x" + b"F" * 40 + b";",
        b"\0",
        b"a\0b",
    ],
)
def test_what_no_text_can_hold_is_refused(reference: bytes) -> None:
    assert refusal_of("Body", b"before " + reference + b" after").reason == "illegal_character"


@pytest.mark.parametrize(
    "reference",
    [
        b"&",
        b"& ",
        b"&;",
        b"&lt",
        b"&l;",
        b"&LT;",
        b"&nbsp;",
        b"&#;",
        b"&#x;",
        b"&#X41;",
        b"&#xG;",
        b"&#1a;",
        b"&# 65;",
        b"&#65",
        b"&amp",
        b"&quo;",
        b"&#x",
        b"&#",
        b"&ltx;",
        b"&lt ;",
    ],
)
def test_an_ampersand_that_begins_no_reference_is_refused(reference: bytes) -> None:
    assert refusal_of("Body", reference).reason == "unknown_reference"
    assert refusal_of("Body", reference + b" tail").reason == "unknown_reference"


INVALID_UTF8 = [
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc3",
    b"\xc3(",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff",
    b"\xfe",
    b"\xce\xbb\xce",
    b"caf\xe9",
]


@pytest.mark.parametrize("broken", INVALID_UTF8)
@pytest.mark.parametrize("padding", [0, 5, 31, 32, 64])
def test_bytes_that_are_no_utf8_cost_their_row_wherever_they_stand(broken: bytes, padding: int) -> None:
    refused = refusal_of("Body", b"x" * padding + broken + b"y" * (padding // 2))
    assert refused.reason == "invalid_encoding"
    assert refused.key == 1


@pytest.mark.parametrize("length", range(100))
def test_a_reference_is_found_wherever_in_a_value_it_stands(length: int) -> None:
    assert value_of("Body", b"x" * length + b"&lt;" + b"y" * length) == "x" * length + "<" + "y" * length
    assert value_of("Body", b"&gt;" * length) == ">" * length


@pytest.mark.parametrize("length", [4_094, 4_095, 4_096, 4_097, 8_191])
def test_a_reference_across_two_pieces_of_a_long_value_is_one(length: int) -> None:
    for inside in (b"&quot;", b"&#x1F600;", b"\r\n"):
        meant = {b"&quot;": '"', b"&#x1F600;": "😀", b"\r\n": " "}[inside]
        for shift in range(len(inside) + 1):
            text = b"x" * (length - shift)
            assert value_of("Body", text + inside + text) == "x" * (length - shift) + meant + "x" * (length - shift)
