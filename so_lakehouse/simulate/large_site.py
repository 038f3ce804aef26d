"""A site of any size in constant memory, for benchmarks: every row is a function of (seed, quarter, Id).

What holds between the files of a lived community (`snapshot`) holds here too: a score is the sum of its votes,
counts are those of visible answers and comments, an edit has its revision, and the next quarter is this one with
posts and votes added, edited and deleted. What does not: reputation and badges are drawn, not earned, and a thread's
ids lie side by side.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from uuid import UUID

from so_lakehouse.simulate.badges import BRONZE
from so_lakehouse.simulate.fixed_chance import FixedChance
from so_lakehouse.simulate.snapshot import Row, licence
from so_lakehouse.simulate.text import Author, html, markdown
from so_lakehouse.simulate.topics import topic_of
from so_lakehouse.simulate.world import ACCEPTED, ANSWER, DOWN, QUESTION, UP

BLOCK, QUESTIONS = 5, 2  # ids that belong together: two questions, then three answers to them
GROWTH = 0.04  # new posts per quarter, as a share of the first quarter's
DELETED_ONE_IN, EDITED_ONE_IN, VOTED_ONE_IN = 200, 50, 10  # posts, per quarter
TEXTS = 4_096  # different paragraphs, titles and comments: 12 bits choose one
MOST_PARAGRAPHS = 16
BASE_UPS, MOST_LATE_UPS = 8, 20  # up votes on a post: fewer than the first at birth, one a quarter later on some
VOTE_IDS, COMMENT_IDS, HISTORY_IDS = 32, 4, 4  # ids set aside per post
_DOWN_VOTE, _ACCEPTANCE = 30, 31  # their places among a post's votes


@dataclass(frozen=True, slots=True)
class _Post:
    """A visible post at one quarter. Of a question `answers` are the visible ones; of an answer they are empty."""

    id: int
    born: int  # quarter
    parent: int | None
    edited: datetime | None
    answers: tuple[int, ...]
    accepted: int | None  # the question's answer; on that answer its own id


class LargeSite:
    """A site with about `posts` posts at the first of `cuts`; a quarter is the place of its cut in `cuts`."""

    def __init__(self, site: str, seed: int, posts: int, cuts: Sequence[date], launch: date) -> None:
        rng = Random(f"{seed}/{site}/large")
        author = Author(topic_of(site), rng)
        ends = [datetime.combine(cut, time()) + timedelta(days=1) for cut in cuts]
        self.chance = FixedChance(rng.getrandbits(64))
        self.periods = list(zip([datetime.combine(launch, time()), *ends], ends, strict=False))
        self.blocks = [max(1, int(posts * (1 + GROWTH * place)) // BLOCK) for place in range(len(cuts))]
        paragraphs = [author.answer()[:1] for _ in range(TEXTS)]
        self.html = [html(paragraph).strip() for paragraph in paragraphs]
        self.markdown = [markdown(paragraph) for paragraph in paragraphs]
        self.titles = [author.title() for _ in range(TEXTS)]
        self.remarks = [author.comment() for _ in range(TEXTS)]
        tags = author.topic.tags
        popularity = [1 / (place + 1) for place in range(len(tags))]
        self.tag_sets = [tuple(dict.fromkeys(rng.choices(tags, popularity, k=1 + place % 4))) for place in range(TEXTS)]
        self.tag_ids = {tag: number for number, tag in enumerate(tags, 1)}

    def posts(self, quarter: int) -> Iterator[Row]:
        for post in self._visible(quarter):
            is_question = post.parent is None
            created = self._created(post.id, post.born)
            yield {
                "Id": post.id,
                "PostTypeId": QUESTION if is_question else ANSWER,
                "AcceptedAnswerId": post.accepted if is_question else None,
                "ParentId": post.parent,
                "CreationDate": created,
                "Score": self._base_ups(post) + self._late_ups(post, quarter) - self._downs(post),
                "ViewCount": 10 + self.chance.draw(post.id, b"views", 900) + 20 * quarter if is_question else None,
                "Body": self._text(post.id, self.html, "\n\n", edited=post.edited is not None) + "\n",
                "OwnerUserId": self._owner(post.id),
                "LastEditorUserId": self._owner(post.id) if post.edited else None,
                "LastEditDate": post.edited,
                "LastActivityDate": post.edited or created,
                "Title": self.titles[self.chance.draw(post.id, b"title", TEXTS)] if is_question else None,
                "Tags": self._tags_of(post) if is_question else None,
                "AnswerCount": len(post.answers) if is_question else None,
                "CommentCount": self._comments_on(post),
                "ContentLicense": licence(post.edited or created),
            }

    def users(self, quarter: int) -> Iterator[Row]:
        for number in range(1, self.blocks[quarter] + 1):
            joined = self._created((number - 1) * BLOCK + 1, bisect_right(self.blocks, number - 1))
            yield {
                "Id": number,
                "Reputation": 1 + self.chance.draw(number, b"reputation", 5_000) + 10 * quarter,
                "CreationDate": joined,
                "DisplayName": f"Specimen {number}",
                "LastAccessDate": joined,
                "AboutMe": self.html[self.chance.draw(number, b"about", TEXTS)] + "\n" if number % 3 == 0 else None,
                "Views": self.chance.draw(number, b"profile", 90),
                "UpVotes": self.chance.draw(number, b"ups cast", 400),
                "DownVotes": self.chance.draw(number, b"downs cast", 40),
                "AccountId": 1_000_000 + number,
            }

    def comments(self, quarter: int) -> Iterator[Row]:
        for post in self._visible(quarter):
            created = self._created(post.id, post.born)
            for number in range(post.id * COMMENT_IDS, post.id * COMMENT_IDS + self._comments_on(post)):
                yield {
                    "Id": number,
                    "PostId": post.id,
                    "Score": self.chance.draw(number, b"praise", 4),
                    "Text": self.remarks[self.chance.draw(number, b"remark", TEXTS)],
                    "CreationDate": created,
                    "UserId": self._owner(post.id - self.chance.draw(number, b"commenter", min(post.id, 1_000))),
                    "ContentLicense": licence(created),
                }

    def votes(self, quarter: int) -> Iterator[Row]:
        for post in self._visible(quarter):
            day = self._created(post.id, post.born).replace(hour=0, minute=0, second=0, microsecond=0)
            cast = [(place, UP, day) for place in range(self._base_ups(post))]
            for place in range(self._late_ups(post, quarter)):
                cast.append((BASE_UPS + place, UP, self.periods[post.born + 1 + place][0]))
            if self._downs(post):
                cast.append((_DOWN_VOTE, DOWN, day))
            if post.accepted == post.id:
                cast.append((_ACCEPTANCE, ACCEPTED, day))
            for place, kind, when in cast:
                yield {"Id": post.id * VOTE_IDS + place, "PostId": post.id, "VoteTypeId": kind, "CreationDate": when}

    def badges(self, quarter: int) -> Iterator[Row]:
        for number in range(1, self.blocks[quarter] + 1):
            awarded = self._created((number - 1) * BLOCK + 1, bisect_right(self.blocks, number - 1))
            yield {
                "Id": number,
                "UserId": number,
                "Name": "Student",
                "Date": awarded,
                "Class": BRONZE,
                "TagBased": False,
            }

    def post_links(self, quarter: int) -> Iterator[Row]:
        for post in self._visible(quarter):
            if post.parent is None and self.chance.draw(post.id, b"link", 30) == 0:
                related = self.chance.draw(post.id, b"related", (post.id + BLOCK - 1) // BLOCK) * BLOCK + 1
                created = self._created(post.id, post.born)
                yield {
                    "Id": post.id,
                    "CreationDate": created,
                    "PostId": post.id,
                    "RelatedPostId": related,
                    "LinkTypeId": 1,
                }

    def tags(self, quarter: int) -> Iterator[Row]:
        questions = (post for post in self._visible(quarter) if post.parent is None)
        uses = Counter(tag for post in questions for tag in self._tags_of(post))
        for tag, number in self.tag_ids.items():
            if uses[tag]:
                yield {"Id": number, "TagName": tag, "Count": uses[tag]}

    def post_history(self, quarter: int) -> Iterator[Row]:
        for post in self._visible(quarter):
            created = self._created(post.id, post.born)
            entries = [(2, created, self._text(post.id, self.markdown, "\r\n\r\n", edited=False))]
            if post.parent is None:
                entries.append((1, created, self.titles[self.chance.draw(post.id, b"title", TEXTS)]))
                entries.append((3, created, "".join(f"<{tag}>" for tag in self._tags_of(post))))
            if post.edited:
                entries.append((5, post.edited, self._text(post.id, self.markdown, "\r\n\r\n", edited=True)))
            for place, (kind, when, text) in enumerate(entries):
                yield {
                    "Id": post.id * HISTORY_IDS + place,
                    "PostHistoryTypeId": kind,
                    "PostId": post.id,
                    "RevisionGUID": str(
                        UUID(int=self.chance.bits(post.id, b"revision") << 64 | (kind == 5), version=4)
                    ),
                    "CreationDate": when,
                    "UserId": self._owner(post.id),
                    "Text": text,
                    "ContentLicense": licence(when),
                }

    def _visible(self, quarter: int) -> Iterator[_Post]:
        for block in range(self.blocks[quarter]):
            yield from self._block(block, quarter)

    def _block(self, block: int, quarter: int) -> Iterator[_Post]:
        born = bisect_right(self.blocks, block)
        numbers = range(block * BLOCK + 1, (block + 1) * BLOCK + 1)
        gone = {number for number in numbers if born < self._quarter_of(number, b"deleted", DELETED_ONE_IN) <= quarter}
        parents = {number: numbers[self.chance.draw(number, b"parent", QUESTIONS)] for number in numbers[QUESTIONS:]}
        for number in numbers:
            parent = parents.get(number)
            if number in gone or parent in gone:
                continue
            question = parent or number
            answers = tuple(each for each, asked in parents.items() if asked == question and each not in gone)
            accepted = answers[0] if answers and self.chance.draw(question, b"accept", 3) == 0 else None
            edited = self._quarter_of(number, b"edited", EDITED_ONE_IN)
            moment = self._moment(number, edited) if born < edited <= quarter else None
            yield _Post(number, born, parent, moment, answers if parent is None else (), accepted)

    def _quarter_of(self, number: int, event: bytes, one_in: int) -> int:
        """The quarter in which this befalls the post; most such quarters never come."""
        return 1 + self.chance.draw(number, event, one_in)

    def _moment(self, number: int, quarter: int) -> datetime:
        start, end = self.periods[quarter]
        return start + timedelta(seconds=self.chance.draw(number, b"moment", int((end - start).total_seconds())))

    def _created(self, number: int, born: int) -> datetime:
        """Ids follow time: evenly over the period in which the block was born."""
        start, end = self.periods[born]
        first = (self.blocks[born - 1] if born else 0) * BLOCK
        share = (number - 1 - first) / (self.blocks[born] * BLOCK - first)
        return start + timedelta(milliseconds=int(share * (end - start).total_seconds() * 1000))

    def _owner(self, number: int) -> int:
        """One of those who had joined by then; the early ones far more often."""
        joined = (number - 1) // BLOCK + 1
        return 1 + (joined * self.chance.draw(number, b"owner", 1 << 16) ** 2 >> 32)

    def _base_ups(self, post: _Post) -> int:
        return self.chance.draw(post.id, b"ups", BASE_UPS)

    def _late_ups(self, post: _Post, quarter: int) -> int:
        return min(quarter - post.born, MOST_LATE_UPS) if self.chance.draw(post.id, b"late", VOTED_ONE_IN) == 0 else 0

    def _downs(self, post: _Post) -> int:
        return int(self.chance.draw(post.id, b"down", 12) == 0)

    def _comments_on(self, post: _Post) -> int:
        return self.chance.draw(post.id, b"comments", COMMENT_IDS)

    def _tags_of(self, post: _Post) -> tuple[str, ...]:
        return self.tag_sets[self.chance.draw(post.id, b"tags", TEXTS)]

    def _text(self, number: int, paragraphs: list[str], joint: str, edited: bool) -> str:
        chosen: list[str] = []
        for part in range(1 + self.chance.draw(number, b"length", MOST_PARAGRAPHS)):
            if part % 5 == 0:  # 64 bits choose five paragraphs
                bits = self.chance.bits(number + (part << 40), b"edited text" if edited else b"text")
            chosen.append(paragraphs[bits & (TEXTS - 1)])
            bits >>= 12
        return joint.join(chosen)
