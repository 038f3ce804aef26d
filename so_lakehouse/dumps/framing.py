"""What stands around the rows: declaration, comments, the root's tags.

Belongs here: the XML of a dump that is no row, and the faults of a whole file. Does not belong here: rows
(`kernel/rows.py`).

A document type could define entities or pull in other files; no dump has one, so `<!DOCTYPE` and `<!ENTITY` are
refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from so_lakehouse.errors import BadInput

MAX_PROLOG_BYTES = 1 << 20  # real ones, with the licence in a comment, have under 2,000 bytes

NOTHING = "Nothing was published. Compare the archive's checksum with the publisher's and land it again."

_PIECE = re.compile(rb"[ \t\r\n]+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_ROOT = re.compile(
    rb"""<([A-Za-z_][\w.-]*)((?:[ \t\r\n]+[\w:.-]+[ \t\r\n]*=[ \t\r\n]*(?:"[^"<]*"|'[^'<]*'))*)[ \t\r\n]*(/?)>"""
)
_DECLARED = re.compile(rb"""[ \t\r\n]*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{1,40})["']""")
_LINE_OF_MARKUP = re.compile(rb"(?:\A|[\r\n])[ \t]*<!")
_REFUSED = re.compile(rb"<!\s*(DOCTYPE|ENTITY)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Root:
    """The root's opening tag: its name, the byte after it, whether it is closed at once, the declared encoding."""

    name: bytes
    end: int
    is_empty: bool
    declared: str


def end_of_pieces(text: bytes, at: int) -> int:
    """Position after all white space, comments and processing instructions from `at` on."""
    while match := _PIECE.match(text, at):
        at = match.end()
    return at


def read_prolog(text: bytes, expected: str, where: str, is_all: bool, byte_of: Callable[[int], int]) -> Root | None:
    """The root's opening tag, or None where more bytes are needed. `is_all`: the file has no more.

    Raises `BadInput` for a document type, for another root than `expected` and for what is no XML. `byte_of` tells
    where in the file a byte of the text stands.
    """
    at = end_of_pieces(text, 0)
    refuse_document_type(text[at : at + 20], where)
    match = _ROOT.match(text, at)
    if match is None:
        rest = text[at:]
        if is_all and not text.strip():
            raise BadInput(f"{where}: the file is empty. {NOTHING}")
        if is_all and (not rest or (rest.startswith(b"<") and b">" not in rest)):
            raise BadInput(f"{where}: the file ends before its root, <{expected}>, is opened. {NOTHING}")
        if is_all or len(text) >= MAX_PROLOG_BYTES or (rest and not rest.startswith(b"<")):
            stands = f"there stands {shown(rest)}" if rest else "nothing but comments and space came before it"
            raise BadInput(f"{where}: at byte {byte_of(at):,} <{expected}> should be opened, but {stands}. {NOTHING}")
        return None
    if match[1].decode("latin-1").lower() != expected:
        raise BadInput(
            f"{where}: its root is <{match[1].decode('latin-1')}>, not <{expected}>: this is another file. {NOTHING}"
        )
    declared = _DECLARED.match(text, 0, at)  # it stands first or nowhere
    return Root(match[1], match.end(), match[3] == b"/", declared[1].decode("latin-1").lower() if declared else "")


def shown(text: bytes) -> str:
    """The first 40 bytes, for people."""
    return repr(text[:40].decode("utf-8", "backslashreplace"))


def refuse_document_type(text: bytes, where: str) -> None:
    """Raises `BadInput` where the text begins with a document type or an entity's definition."""
    if found := _REFUSED.match(text):
        word = found[1].decode("ascii").upper()
        raise BadInput(f"{where}: holds <!{word}, which no dump has and which could read other files. {NOTHING}")


def refuse_document_type_within(text: bytes, where: str) -> None:
    """As `refuse_document_type`, at the beginning of any line."""
    for line in _LINE_OF_MARKUP.finditer(text):
        refuse_document_type(text[line.end() - 2 : line.end() + 20], where)


def after_the_end(text: bytes, root: bytes, where: str, byte: int) -> BadInput:
    """The error for anything but white space and comments after the root; `text` begins with it, at `byte`."""
    refuse_document_type(text, where)
    name = root.decode("latin-1")
    return BadInput(
        f"{where}: at byte {byte:,}, after </{name}>, the file should end, but there stands {shown(text)}. {NOTHING}"
    )


def ends_early(where: str, root: bytes, byte: int) -> BadInput:
    """The error for a file without its closing root."""
    name = root.decode("latin-1")
    return BadInput(f"{where}: the file ends early, at byte {byte:,}, without </{name}>: rows are missing. {NOTHING}")


@dataclass(frozen=True)
class Markup:
    """Something between rows: its length (0 where it is nothing that belongs there), and whether it closes the root."""

    length: int
    closes_root: bool = False


_BEGINNINGS = (b"<!--", b"<?", b"</")
_ENDINGS = {b"<!--": b"-->", b"<?": b"?>"}


def markup(text: bytes, root: bytes) -> Markup | None:
    """What stands at the text's first byte, a `<`; None where more bytes are needed to tell."""
    if len(text) < len(b"<!DOCTYPE "):  # enough to tell every beginning apart
        closing = re.match(rb"</" + re.escape(root) + rb"[ \t\r\n]*>", text)
        return Markup(closing.end(), True) if closing else None
    for beginning in _BEGINNINGS:
        if text.startswith(beginning):
            break
    else:
        return Markup(0)
    if beginning == b"</":
        closing = re.match(rb"</" + re.escape(root) + rb"[ \t\r\n]*(>|$)", text)
        if closing is None:
            return Markup(0) if len(text) >= len(root) + 2 else None
        return Markup(closing.end(), True) if closing[1] else None
    end = text.find(_ENDINGS[beginning], len(beginning))
    return Markup(end + len(_ENDINGS[beginning])) if end >= 0 else None
