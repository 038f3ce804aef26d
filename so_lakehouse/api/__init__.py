"""The Stack Exchange API, version 2.3: what is asked, how much may be asked, and what an answer says.

Belongs here: asking, and what was answered, down to bronze. Not here: which columns of which table pages tell
(`schema_api.py`), what silver makes of them (`spark/pages.py`).
"""
