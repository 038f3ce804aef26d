"""The one place that uses what Dagster marks as beta or preview, so that a list of such uses is one search away."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def unstable_api(why: str) -> Iterator[None]:
    """Within this block Dagster's beta and preview warnings are silent; `why` says what there is no stable way for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield
