"""The filter: which fields the API serves, made once and then named in every question.

Made unsafe, because safe filters encode texts for HTML and the dump does not. A filter never changes and never
expires, so its name is kept with the budget.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from so_lakehouse.api.budget import WINDOWS
from so_lakehouse.api.fields import asked_for
from so_lakehouse.errors import Unavailable

if TYPE_CHECKING:
    from so_lakehouse.api.client import Client


def filter_of(client: Client) -> str:
    """The name of the filter for all fields that we read; makes it where none is known.

    Raises `Unavailable` where the API made another one than was asked for: what it leaves out would look like null.
    """
    fields = asked_for()
    digest = hashlib.sha256(";".join(fields).encode()).hexdigest()[:16]
    known = client.budget.filter_name(digest)
    if known:
        return known
    parameters = {"base": "none", "include": ";".join(fields), "unsafe": "true"}
    page = client.ask("filters/create", "/filters/create", parameters, WINDOWS)
    made = page.items[0] if page.items and isinstance(page.items[0], dict) else {}
    missing = set(fields) - set(made.get("included_fields", ()))
    if missing or made.get("filter_type") != "unsafe" or not made.get("filter"):
        raise Unavailable(
            f"{client.address} made a filter of type {made.get('filter_type')!r} without "
            f"{', '.join(sorted(missing)) or 'a name'}. Ask its maintainers what became of these fields."
        )
    client.budget.remember_filter(digest, str(made["filter"]))
    return str(made["filter"])
