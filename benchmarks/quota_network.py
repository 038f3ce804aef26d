"""The sites of the network by size: what is known of them, and the law that is assumed where nothing is.

Belongs here: facts with their sources, and the assumption. Not here: what a site of a size costs (`quota.py`).

Assumed: Stack Overflow has the share of the network's posts that it has of its archives' bytes; of what is left, the
k-th largest site has a share that goes by 1/k; and a site's questions a day are to its posts as Stack Overflow's are.
"""

from __future__ import annotations

from dataclasses import dataclass

from so_lakehouse.dumps.sites import all_sites

# Archives of 2026-06-30 as the mirror on archive.org lists them: bytes.
NETWORK_BYTES = 98_538_193_873
ARCHIVE_BYTES = {
    "stackoverflow": 68_946_936_349,
    "superuser": 1_400_358_958,
    "serverfault": 907_565_303,
    "unix": 759_322_794,
    "softwareengineering": 377_945_136,
    "devops": 18_189_978,
}
# Stack Overflow as its API's /info told on 2026-10-08; its rows in the dump of 2024-04.
QUESTIONS, ANSWERS = 24_244_284, 36_100_573
COMMENTS_PER_POST, USERS_PER_POST = 90.38 / 59.82, 22.48 / 59.82
# Of the others: rows in the dumps beer 2016-12, ai 2016-12 and quantumcomputing 2018-09 together.
_POSTS = 2_106 + 1_279 + 1_986
OTHERS_COMMENTS_PER_POST = (1_860 + 1_165 + 3_413) / _POSTS
OTHERS_USERS_PER_POST = (3_948 + 3_157 + 3_461) / _POSTS
# Questions a month on Stack Overflow, mean of the year, from SEDE (blog.qwertyforce.dev): before its fall, and lately.
QUESTIONS_A_MONTH = {2022: 196_603, 2025: 18_269}
DAYS_A_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Size:
    """One site of the network. `questions`: asked per day; `rows`: entity → rows that the API serves of it in all."""

    rank: int
    questions: float
    rows: dict[str, int]

    @property
    def posts(self) -> int:
        return self.rows["questions"] + self.rows["answers"]


def main_sites() -> int:
    """Sites that the API knows, without the meta site that each of them has (and without Meta Stack Exchange)."""
    return sum(bool(site.api) and "meta" not in site.api.split(".") for site in all_sites())


def shares(count: int) -> list[float]:
    """Each site's share of the network's posts, the largest first."""
    largest = ARCHIVE_BYTES["stackoverflow"] / NETWORK_BYTES
    weights = [1 / rank for rank in range(2, count + 1)]
    return [largest, *((1 - largest) * weight / sum(weights) for weight in weights)]


def rank_of(bytes_: int, count: int) -> int:
    """The rank at which the law puts an archive of that size; `count` + 1 for one that is smaller than the last."""
    return next((rank for rank, share in enumerate(shares(count), 1) if share * NETWORK_BYTES <= bytes_), count + 1)


def network(year: int, count: int) -> list[Size]:
    """The sites, the largest first, as busy as in that year and with the posts of 2026."""
    found = []
    held = shares(count)
    for rank, share in enumerate(held, 1):
        part = share / held[0]
        questions, answers = round(QUESTIONS * part), round(ANSWERS * part)
        posts = questions + answers
        comments, users = (
            (COMMENTS_PER_POST, USERS_PER_POST) if rank == 1 else (OTHERS_COMMENTS_PER_POST, OTHERS_USERS_PER_POST)
        )
        rows = {"questions": questions, "answers": answers}
        rows |= {"comments": round(posts * comments), "users": round(posts * users)}
        found.append(Size(rank, QUESTIONS_A_MONTH[year] / DAYS_A_MONTH * part, rows))
    return found
