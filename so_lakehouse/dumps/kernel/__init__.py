"""The compiled kernel: bytes of a dump's XML in, columns of values out.

Belongs here: functions that numba compiles, over numpy arrays only. Does not belong here: files, processes, Arrow,
Parquet or errors for people (the modules beside this package). `docs/reader.md` explains the stages; read it first.

bytes.py     32 bytes at a time: the few vector operations that everything stands on
rows.py      stage 1, tokenise: where each row and each value begins and ends (plain_rows.py: the short way)
text.py      stage 2, convert: references and UTF-8
numbers.py   stage 2, convert: integers, booleans, timestamps
"""
