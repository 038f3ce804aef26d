"""What one member of an archive held, counted while it is read.

Belongs here: counts. Does not belong here: what is done with them (`bronze.py` writes them into the manifest,
`quality/` judges them).
"""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_NAMES = 1_000  # unknown attributes told by name; a publisher adds one or two in a decade
OTHERS = "(other names)"
_LONGEST_NAME = 128


@dataclass
class Tally:
    """What one member held. `rows_in_file` is counted apart from the reading."""

    rows_in_file: int = 0
    rows: int = 0
    refused: int = 0
    refused_without_key: int = 0
    encoding: str = ""
    unknown_attributes: dict[str, int] = field(default_factory=dict)

    def count_unknown(self, names: dict[str, int]) -> None:
        for full_name, times in names.items():
            name = full_name[:_LONGEST_NAME]
            if name not in self.unknown_attributes and len(self.unknown_attributes) >= MOST_NAMES:
                name = OTHERS
            self.unknown_attributes[name] = self.unknown_attributes.get(name, 0) + times
