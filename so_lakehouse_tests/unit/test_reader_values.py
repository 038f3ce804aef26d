"""What each type's values may look like, and what they become."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from so_lakehouse_tests.dump_reading import document, read, refusal_of, value_of


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- integers


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        (b"0", 0),
        (b"-0", 0),
        (b"7", 7),
        (b"-1", -1),
        (b"007", 7),
        (b"12345678", 12345678),
        (b"123456789", 123456789),
        (b"-12345678", -12345678),
        (b"99999999", 99999999),
        (b"100000000", 100000000),
        (b"00000000000000000000012", 12),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
    ],
)
def test_integers_of_every_length_are_read(spelled: bytes, value: int) -> None:
    assert value_of("OwnerUserId", spelled) == value


@pytest.mark.parametrize(
    "spelled",
    [
        b"1e9",
        b"+5",
        b" 5",
        b"5 ",
        b"--5",
        b"-",
        b"5-",
        b"1.0",
        b"0x10",
        b"1,000",
        b"1234567x",
        b"x1234567",
        b"123456789012x",
        bytes([0x39 + 1]),
        bytes([0x2F]),
        "٣".encode(),
        b"NULL",
        b"\x10",
    ],
)
def test_what_is_no_integer_is_refused(spelled: bytes) -> None:
    refused = refusal_of("OwnerUserId", spelled)
    assert refused.reason == "not_an_integer"
    assert refused.detail.startswith("OwnerUserId: ")


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [("PostTypeId", -(2**15), 2**15 - 1), ("Score", -(2**31), 2**31 - 1), ("OwnerUserId", -(2**63), 2**63 - 1)],
)
def test_a_number_must_fit_its_column(column: str, low: int, high: int) -> None:
    assert value_of(column, str(low).encode()) == low
    assert value_of(column, str(high).encode()) == high
    for outside in (low - 1, high + 1, low * 1000, 10**40):
        assert refusal_of(column, str(outside).encode()).reason == "out_of_range"


def test_numbers_dates_and_booleans_may_be_spelled_with_references() -> None:
    assert value_of("Score", b"&#45;1&#x32;") == -12
    assert value_of("ClosedDate", b"2016&#45;12&#x2D;31T23:59:59.003") == at("2016-12-31T23:59:59.003")
    assert value_of("TagBased", b"&#84;rue", "badges") is True
    assert refusal_of("Score", b"&lt;1").reason == "not_an_integer"
    assert refusal_of("Score", b"1" + b"&#0;").reason == "not_an_integer"
    assert refusal_of("Score", b"&#49;" * 2_000).reason == "not_an_integer"


# --- timestamps


@pytest.mark.parametrize(
    ("spelled", "moment"),
    [
        (b"2008-07-31T21:42:52.667", at("2008-07-31T21:42:52.667")),
        (b"2008-07-31T00:00:00.000", at("2008-07-31")),
        (b"0001-01-01T00:00:00.000", at("0001-01-01")),
        (b"0001-01-01T00:00:00", at("0001-01-01")),
        (b"9999-12-31T23:59:59.999", at("9999-12-31T23:59:59.999")),
        (b"2000-02-29T12:00:00.000", at("2000-02-29T12:00")),
        (b"1969-12-31T23:59:59.997", at("1969-12-31T23:59:59.997")),
        (b"2016-12-31T23:59:59", at("2016-12-31T23:59:59")),
        (b"2016-12-31T23:59:59.1", at("2016-12-31T23:59:59.100")),
        (b"2016-12-31T23:59:59.123456", at("2016-12-31T23:59:59.123456")),
        (b"2016-12-31T23:59:59.123456000", at("2016-12-31T23:59:59.123456")),
        (b"2016-12-31T23:59:59Z", at("2016-12-31T23:59:59")),
        (b"2016-12-31T23:59:59.003Z", at("2016-12-31T23:59:59.003")),
        (b"2016-12-31T23:59:59.003+01:00", at("2016-12-31T22:59:59.003")),
        (b"2016-12-31T23:59:59-05:30", at("2017-01-01T05:29:59")),
        (b"2016-12-31T2:59:59.003".replace(b"T2", b"T02"), at("2016-12-31T02:59:59.003")),
    ],
)
def test_moments_are_read_as_utc(spelled: bytes, moment: datetime) -> None:
    assert value_of("ClosedDate", spelled) == moment


def test_every_day_of_four_centuries_is_the_calendars() -> None:
    days = [datetime.fromordinal(n).replace(tzinfo=UTC) for n in range(1, datetime(2401, 1, 1).toordinal(), 37)]
    rows = [
        b'<row Id="%d" ClosedDate="%s" />' % (k, day.isoformat()[:19].encode() + b".000") for k, day in enumerate(days)
    ]
    assert [row["ClosedDate"] for row in read(document(*rows)).rows] == days


@pytest.mark.parametrize(
    "spelled",
    [
        b"2016-02-30T00:00:00.000",
        b"2015-02-29T00:00:00.000",
        b"1900-02-29T00:00:00.000",
        b"2016-13-01T00:00:00.000",
        b"2016-00-01T00:00:00.000",
        b"2016-01-00T00:00:00.000",
        b"2016-01-01T24:00:00.000",
        b"2016-01-01T00:60:00.000",
        b"2016-01-01T00:00:60.000",
        b"0000-01-01T00:00:00.000",
        b"2016-01-01 00:00:00.000",
        b"2016-01-01",
        b"2016-01-01T00:00",
        b"2016-01-01T00:00:00.",
        b"2016-01-01T00:00:00.1234567",
        b"2016-01-01T00:00:00.0000001",
        b"2016-01-01T00:00:00,000",
        b"2016-01-01T00:00:00.000z",
        b"2016-01-01T00:00:00.000+1:00",
        b"2016-01-01T00:00:00.000+15:00",
        b"2016-01-01T00:00:00.000+01:60",
        b"2016-01-01T00:00:00.000 ",
        b" 2016-01-01T00:00:00.000",
        b"2016-01-01T00:00:0x.000",
        b"2016/01/01T00:00:00.000",
        b"1451606400",
        b"-016-01-01T00:00:00.000",
        b"2016-01-01T00:00:00.0a0",
        b"0001-01-01T00:00:00.000+01:00",
        b"9999-12-31T23:59:59.999-00:01",
        b"x",
    ],
)
def test_what_is_no_moment_is_refused(spelled: bytes) -> None:
    refused = refusal_of("ClosedDate", spelled)
    assert refused.reason == "not_a_timestamp"
    assert refused.detail.startswith("ClosedDate: ")


# --- booleans


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        (b"True", True),
        (b"False", False),
        (b"true", True),
        (b"FALSE", False),
        (b"tRuE", True),
        (b"fAlSe", False),
        (b"1", True),
        (b"0", False),
        (b"", None),
    ],
)
def test_booleans_are_read_in_every_case(spelled: bytes, value: bool | None) -> None:
    assert value_of("TagBased", spelled, "badges") is value


@pytest.mark.parametrize("spelled", [b"yes", b"2", b"01", b"tru", b"truee", b"10", b"fals", b"falsee", b"\x14rue"])
def test_what_is_no_boolean_is_refused(spelled: bytes) -> None:
    assert refusal_of("TagBased", spelled, "badges").reason == "not_a_boolean"


# --- several faults


def test_a_row_with_several_faults_is_refused_once() -> None:
    reading = read(document(b'<row Id="1" Score="x" Body="&bad;" ClosedDate="?" />', b'<row Id="2" />'))
    assert reading.ids == [2]
    assert reading.reasons == ["not_an_integer"]


def test_a_long_value_is_cut_in_what_people_are_told_but_kept_whole() -> None:
    refused = refusal_of("Score", b"9" * 10_000)
    assert len(refused.detail) < 200
    assert len(refused.raw) > 10_000
