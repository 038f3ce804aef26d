"""What must hold of the warehouse after a load. Measured by `warehouse/verify.py`; declared here, free of drivers."""

from __future__ import annotations

from so_lakehouse.quality import CheckDeclaration

EQUALS_SILVER = CheckDeclaration(
    "equals_silver",
    True,
    "The warehouse holds exactly the projection of silver: the same rows, every column hashed on both sides.",
)

DECLARATIONS = (EQUALS_SILVER,)
