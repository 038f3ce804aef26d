"""`python -m so_lakehouse` is `so-lakehouse`."""

from so_lakehouse.cli import main

main()
