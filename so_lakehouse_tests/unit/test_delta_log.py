"""What is left in a Delta table's log by the two engines that write it."""

from __future__ import annotations

from so_lakehouse.lake.delta import drop_checksums


def test_the_checksum_of_a_commit_goes_when_its_commit_has_gone(lake):
    log = "silver/posts/_delta_log"
    stay = [f"{11:020d}.json", f"{11:020d}.crc", f"{10:020d}.checkpoint.parquet", "_last_checkpoint", "notes.crc"]
    for name in [*stay, f"{9:020d}.crc", f"{10:020d}.crc"]:
        lake.write_bytes(f"{log}/{name}", b"{}")
    drop_checksums(lake, "silver/posts")
    assert sorted(lake.list(log)) == sorted(f"{log}/{name}" for name in stay)
    drop_checksums(lake, "silver/none")
