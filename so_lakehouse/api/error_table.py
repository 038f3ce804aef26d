"""The errors of the API as data: its number, its name, and what to do about it.

The HTTP status is 400 for nearly all of them; only the number in the body tells them apart. Source: the API's page on
error handling, and the replies that people have published.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Treatment(StrEnum):
    """What an error asks of whoever asked."""

    FINAL = "final"  # the same question gets the same answer
    RETRY = "retry"  # the API's own trouble: the same question may be answered soon
    WAIT = "wait"  # too much was asked: nothing may be asked for a while


@dataclass(frozen=True)
class ApiError:
    """One kind of error. `advice` says to people what to do now."""

    name: str
    treatment: Treatment
    advice: str


_KEY = "Check LAKEHOUSE_API_KEY and LAKEHOUSE_API_AUTH."
_OURS = "This is a defect of the client: report the request."
_LATER = "Try again later."
_NAMED = "It names what it does not take: the site's name, the key (LAKEHOUSE_API_KEY), or a defect of the client."

ERRORS: dict[int, ApiError] = {
    400: ApiError("bad_parameter", Treatment.FINAL, _NAMED),
    401: ApiError("access_token_required", Treatment.FINAL, _KEY),
    402: ApiError("invalid_access_token", Treatment.FINAL, _KEY),
    403: ApiError("access_denied", Treatment.FINAL, _KEY),
    404: ApiError("no_method", Treatment.FINAL, "Check LAKEHOUSE_API: it ends in the version, such as /2.3."),
    405: ApiError("key_required", Treatment.FINAL, _KEY),
    406: ApiError("access_token_compromised", Treatment.FINAL, "Make a new key and set LAKEHOUSE_API_KEY."),
    407: ApiError("write_failed", Treatment.FINAL, _OURS),
    409: ApiError("duplicate_request", Treatment.FINAL, _OURS),
    500: ApiError("internal_error", Treatment.RETRY, _LATER),
    502: ApiError("throttle_violation", Treatment.WAIT, _LATER),
    503: ApiError("temporarily_unavailable", Treatment.RETRY, _LATER),
}
UNKNOWN = ApiError("unknown error", Treatment.FINAL, "Look the number up in the API's documentation.")


def seconds_to_wait(message: str) -> float | None:
    """Seconds that a throttle names ("… more requests available in 67194 seconds"); None where it names none."""
    found = re.search(r"available in (\d+) seconds", message)
    return float(found[1]) if found else None
