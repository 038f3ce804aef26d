"""Landing: a release's archives of one site, from a mirror to the raw layer, with a manifest written last.

Each release and revision keeps its own folder for good. The manifest of the quarter names the one that represents it:
the latest (cut, revision) that is landed and not withdrawn. Which release is meant is decided in `resolve.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from so_lakehouse import estimate, failpoints
from so_lakehouse.dumps import download, sevenzip_file
from so_lakehouse.dumps.mirrors.contract import Mirror, RemoteArchive
from so_lakehouse.dumps.resolve import Resolved, resolve
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.disk import require_space, scratch, told_when_full
from so_lakehouse.lake.manifests import Archive, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.settings import Settings

__all__ = ["Plan", "Resolved", "is_damaged", "land_dump", "other_bytes", "plan", "resolve"]


def land_dump(
    lake: Lake,
    mirror: Mirror,
    resolved: Resolved,
    settings: Settings,
    progress: Progress = silent,
) -> RawManifest:
    """Lands a dump and returns the manifest that now represents its quarter: this release's, unless a later one is
    landed.

    What is landed already is not fetched again. Raises `BadInput` for bytes that are not what they should be,
    `Unavailable` where the mirror fails or the disk lacks room; then nothing is published, and a further call goes on
    where this one stopped.
    """
    with told_when_full(resolved.site.key, scratch(lake, settings)):
        return _represent(lake, mirror, _land(lake, mirror, resolved, settings, progress))


def _land(lake: Lake, mirror: Mirror, resolved: Resolved, settings: Settings, progress: Progress) -> RawManifest:
    """The manifest of this release, landed now or before."""
    manifest = _landed(lake, mirror, resolved)
    if manifest is None:
        _guard_disk(lake, resolved, settings)
        archives = tuple(
            _land_archive(lake, mirror, resolved, archive, settings, progress) for archive in resolved.archives
        )
        manifest = RawManifest(
            site=resolved.site.key,
            quarter=resolved.quarter,
            release=resolved.release.release,
            revision=resolved.release.revision,
            cut_date=resolved.release.cut_date.isoformat(),
            archives=archives,
            source=mirror.source,
            licence=mirror.licence(resolved.release),
            fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
            note=resolved.release.note,
        )
        failpoints.reach("raw.before_manifest")
        manifest.save_release(lake)
    return manifest


@dataclass(frozen=True)
class Plan:
    """What a dump would take; rough, and nothing was started.

    `bytes_to_fetch` is what is not on this machine yet, `disk_bytes` that and what bronze and silver make of it (the
    warehouse comes on top), `seconds` the time from the dump to the warehouse (`estimate.py` says of which machine; the
    network comes on top, and once per command `estimate.ONCE_SECONDS`).
    """

    resolved: Resolved
    bytes_to_fetch: int
    disk_bytes: int
    seconds: float


def plan(lake: Lake, mirror: Mirror, resolved: Resolved, settings: Settings, follows: bool = False) -> Plan:
    """The plan for a dump; `follows`: silver will hold the site by then. Raises `BadInput` where the landed bytes are
    not the mirror's."""
    fetch = bytes_to_fetch(lake, mirror, resolved, settings)
    is_first = not follows and not gates.load(lake, resolved.site.key)
    seconds = estimate.dump_seconds(resolved.size, is_first)
    return Plan(resolved, fetch, fetch + estimate.dump_bytes(resolved.size), seconds)


def bytes_to_fetch(lake: Lake, mirror: Mirror, resolved: Resolved, settings: Settings) -> int:
    """Bytes of a dump that are not on this machine yet. Raises `BadInput` where landed ones are not the mirror's."""
    return 0 if _landed(lake, mirror, resolved) is not None else _missing_bytes(lake, resolved, settings)


def other_bytes(lake: Lake, mirror: Mirror, resolved: Resolved) -> str:
    """Why the mirror's bytes of this release and revision are not taken: they are others than were landed. Empty where
    they are the same or nothing is landed. By what the mirror says of them, or by their first 32 bytes; not fetched."""
    here = _archives(_manifest(lake, resolved))
    kept = {name: a for name, a in here.items() if lake.exists(a.path) and not is_damaged(lake, a)}
    return _refusal(lake, mirror, resolved, kept)


def _refusal(lake: Lake, mirror: Mirror, resolved: Resolved, here: Mapping[str, Archive]) -> str:
    """Why the mirror's bytes are not taken, or nothing; `here`: the archives that lie here and are whole, by name."""
    for remote in resolved.archives:
        archive = here.get(remote.name)
        if archive and (difference := _difference(lake, mirror, remote, archive)):
            release = resolved.release
            folder = paths.raw_dump(resolved.quarter, resolved.site.key, release.release, release.revision)
            return (
                f"{remote.where} has other bytes than were landed of {resolved.site.key}, release {release}: "
                f"{difference}. What was landed stays. A re-issue raises its revision in the mirror's releases.csv; "
                f"to take one that does not, remove {lake.local_path(folder) or lake.uri(folder)} and run it again."
            )
    return ""


def _manifest(lake: Lake, resolved: Resolved) -> RawManifest | None:
    release = resolved.release
    return RawManifest.load(lake, resolved.quarter, resolved.site.key, release.release, release.revision)


def _archives(manifest: RawManifest | None) -> dict[str, Archive]:
    return {archive.name: archive for archive in manifest.archives} if manifest else {}


def _landed(lake: Lake, mirror: Mirror, resolved: Resolved) -> RawManifest | None:
    """The manifest of this release and revision where all its archives are here; refuses a mirror with other bytes."""
    manifest = _manifest(lake, resolved)
    here = _archives(manifest)
    for remote in resolved.archives:
        archive = here.get(remote.name)
        if archive is None or not lake.exists(archive.path) or lake.size(archive.path) != archive.size:
            return None
        if is_damaged(lake, archive):
            return None
    if refusal := _refusal(lake, mirror, resolved, here):
        raise BadInput(refusal)
    return manifest


def is_damaged(lake: Lake, archive: Archive) -> bool:
    """Whether a reader found the landed bytes damaged and set them aside: the mirror may have whole ones by now."""
    aside = paths.set_aside(archive.path)
    return lake.exists(aside) and lake.size(aside) == archive.size and lake.sha256(aside) == archive.sha256


def _difference(lake: Lake, mirror: Mirror, remote: RemoteArchive, landed: Archive) -> str:
    """In what the mirror's archive differs from the landed one, without fetching it; empty where in nothing."""
    sums = [(name, getattr(remote, name), getattr(landed, name)) for name in ("sha256", "sha1")]
    compared = [("size", remote.size, landed.size), *(found for found in sums if all(found))]
    if len(compared) == 1 and remote.size == landed.size:  # no checksum was published
        theirs = sevenzip_file.fingerprint(mirror.first_bytes(remote, sevenzip_file.START_HEADER.size))
        ours = sevenzip_file.fingerprint(lake.first_bytes(landed.path, sevenzip_file.START_HEADER.size))
        compared.append(("start header", theirs.hex(), ours.hex()))
    return "; ".join(f"{name} {theirs}, landed {ours}" for name, theirs, ours in compared if theirs != ours)


def _land_archive(
    lake: Lake,
    mirror: Mirror,
    resolved: Resolved,
    remote: RemoteArchive,
    settings: Settings,
    progress: Progress,
) -> Archive:
    relative, target = _place(lake, resolved, remote, settings)
    what = f"{resolved.site.key} {resolved.release.release}: {remote.name}"
    sums = _left_by_a_killed_run(remote, target, progress, what)
    if sums is None:
        sums = download.fetch(mirror, remote, target, progress, what)
        failpoints.reach("raw.part_written")
        lake.adopt(download.part_of(target), relative)
        download.forget(target)
    return Archive(remote.name, relative, remote.size, sums.sha256, remote.where, sums.sha1)


def _left_by_a_killed_run(
    remote: RemoteArchive, target: Path, progress: Progress, what: str
) -> download.Checksums | None:
    """Checksums of a file that got its name though its manifest was never written; None where there is none."""
    if not target.is_file():
        return None
    try:
        return download.verify(remote, target, progress, what)
    except BadInput:
        target.unlink()
        return None


def _place(lake: Lake, resolved: Resolved, remote: RemoteArchive, settings: Settings) -> tuple[str, Path]:
    """Path of an archive in the lake, and where it is built on this machine."""
    release = resolved.release
    folder = paths.raw_dump(resolved.quarter, resolved.site.key, release.release, release.revision)
    relative = f"{folder}/{remote.name}"
    return relative, lake.local_path(relative) or settings.landing_folder / relative


def _missing_bytes(lake: Lake, resolved: Resolved, settings: Settings) -> int:
    """Bytes that are not on this machine yet, whole or in part."""
    missing = 0
    for remote in resolved.archives:
        _, target = _place(lake, resolved, remote, settings)
        whole = target.is_file() and target.stat().st_size == remote.size
        missing += 0 if whole else remote.size - download.bytes_in_part(remote, target)
    return missing


def _guard_disk(lake: Lake, resolved: Resolved, settings: Settings) -> None:
    """Raises `Unavailable` before anything is fetched where the disk would not hold it and the reserve."""
    _, target = _place(lake, resolved, resolved.archives[0], settings)
    folder = next(parent for parent in target.parents if parent.exists())
    needed = _missing_bytes(lake, resolved, settings)
    require_space(folder, needed, settings.disk_reserve_bytes, f"{resolved.site.key}: landing {resolved.release}")


def _represent(lake: Lake, mirror: Mirror, manifest: RawManifest) -> RawManifest:
    """The manifest that represents the quarter once this one is landed; written last, and only where it changes."""
    current = RawManifest.load(lake, manifest.quarter, manifest.site)
    if current == manifest:
        return current
    withdrawn = {(release.release, release.revision): release for release in mirror.releases() if release.withdrawn}
    if current is not None:
        gone = withdrawn.get((current.release, current.revision))
        if gone is not None:
            replace(current, note=gone.note).save_release(lake)
        elif current.order > manifest.order:
            return current
    manifest.save(lake)
    return manifest
