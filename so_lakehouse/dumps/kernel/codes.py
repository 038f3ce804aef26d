"""The numbers by which the compiled kernel speaks to Python: why it stopped, and what is wrong with a row.

`dumps/faults.py` gives each fault its name and its sentence for people.
"""

from __future__ import annotations

# Why the tokeniser stopped.
NEED_MORE = 0  # the data end inside a row (or between rows)
FULL = 1  # one of the tables it fills is full
MARKUP = 2  # it stands at a `</`, `<!` or `<?`, which is for Python to judge

# What is wrong with a row: its spelling (stage 1) …
UNESCAPED_LESS_THAN = 1
MALFORMED_ATTRIBUTE = 2
MISSING_SPACE = 3
DOUBLED_ATTRIBUTE = 4
CONTENT = 5
TOO_MANY_ATTRIBUTES = 6
NOT_A_ROW = 7
# … or one of its values (stage 2).
UNKNOWN_REFERENCE = 8
ILLEGAL_CHARACTER = 9
INVALID_UTF8 = 10
MISSING_ID = 11
NOT_AN_INTEGER = 12
OUT_OF_RANGE = 13
NOT_A_TIMESTAMP = 14
NOT_A_BOOLEAN = 15
