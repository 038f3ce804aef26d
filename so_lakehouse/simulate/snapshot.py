"""What a dump shows of a world: the rows of its eight tables at the cut, as the schema's columns with Python values.

Deleted posts, their comments and their history are not shown; votes and links on them are, as in real dumps. How the
rows are spelled in a file is in `dump_file`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime, time

from so_lakehouse.simulate.reputation import reputations
from so_lakehouse.simulate.text import html
from so_lakehouse.simulate.world import BOUNTY_START, COMMUNITY, QUESTION, World

Row = dict[str, object]  # publisher's column name → int, str, bool, datetime or a tuple of tags; None = absent

_VOTER_IS_SHOWN = {5, BOUNTY_START}  # 5: bookmarks
# Licence by the day a text was written or last edited (stackoverflow.com/help/licensing).
_LICENCES = ((date(2018, 5, 2), "CC BY-SA 4.0"), (date(2011, 4, 8), "CC BY-SA 3.0"), (date.min, "CC BY-SA 2.5"))


def rows_at(world: World, cut: date) -> dict[str, list[Row]]:
    """Table → rows in order of Id, for a world that has lived until the end of the cut. Does not change the world."""
    return {table: list(make(world, cut)) for table, make in _TABLES.items()}


def licence(written: datetime) -> str:
    return next(name for start, name in _LICENCES if written.date() >= start)


def _posts(world: World, cut: date) -> Iterator[Row]:
    comments = Counter(comment.post for comment in world.comments.values())
    for post in world.posts.values():
        if not world.is_visible(post):
            continue
        is_question = post.kind == QUESTION
        answers = [each for each in post.answers if world.is_visible(world.posts[each])]
        owner, owner_name = world.signature(post.owner)
        editor, editor_name = world.signature(post.editor)
        age = (cut - post.created.date()).days + 1
        yield {
            "Id": post.id,
            "PostTypeId": post.kind,
            "AcceptedAnswerId": post.accepted if post.accepted in answers else None,
            "ParentId": post.parent,
            "CreationDate": post.created,
            "Score": post.score,
            "ViewCount": 1 + int(age * post.daily_views) if is_question else None,
            "Body": html(post.text),
            "OwnerUserId": owner,
            "OwnerDisplayName": owner_name,
            "LastEditorUserId": editor,
            "LastEditorDisplayName": editor_name,
            "LastEditDate": post.edited,
            "LastActivityDate": post.active,
            "Title": post.title or None,
            "Tags": post.tags or None,
            "AnswerCount": len(answers) if is_question else None,
            "CommentCount": comments[post.id],
            "ClosedDate": post.closed,
            "CommunityOwnedDate": post.community_owned,
            "ContentLicense": licence(post.edited or post.created),
        }


def _users(world: World, cut: date) -> Iterator[Row]:
    reputation = reputations(world, cut)
    for person in world.people.values():
        yield {
            "Id": person.id,
            "Reputation": reputation[person.id],
            "CreationDate": person.joined,
            "DisplayName": person.name,
            "LastAccessDate": person.seen,
            "WebsiteUrl": person.website,
            "Location": person.location,
            "AboutMe": html(person.about) or None,
            "Views": person.deeds.total() // 3,
            "UpVotes": person.deeds["up vote"],
            "DownVotes": person.deeds["down vote"],
            "AccountId": person.account,
        }


def _comments(world: World, cut: date) -> Iterator[Row]:
    for comment in world.comments.values():
        if world.is_visible(world.posts[comment.post]):
            user, user_name = world.signature(comment.user)
            yield {
                "Id": comment.id,
                "PostId": comment.post,
                "Score": comment.score,
                "Text": comment.text,
                "CreationDate": comment.created,
                "UserDisplayName": user_name,
                "UserId": user,
                "ContentLicense": licence(comment.created),
            }


def _votes(world: World, cut: date) -> Iterator[Row]:
    for vote in world.votes.values():
        voter = vote.voter if vote.voter in world.people else COMMUNITY
        yield {
            "Id": vote.id,
            "PostId": vote.post,
            "VoteTypeId": vote.kind,
            "UserId": voter if vote.kind in _VOTER_IS_SHOWN else None,
            "CreationDate": datetime.combine(vote.day, time()),
            "BountyAmount": vote.amount,
        }


def _badges(world: World, cut: date) -> Iterator[Row]:
    for badge in world.badges.values():
        if badge.user in world.people:
            yield {
                "Id": badge.id,
                "UserId": badge.user,
                "Name": badge.name,
                "Date": badge.awarded,
                "Class": badge.level,
                "TagBased": badge.tag_based,
            }


def _post_links(world: World, cut: date) -> Iterator[Row]:
    for link in world.links.values():
        yield {
            "Id": link.id,
            "CreationDate": link.created,
            "PostId": link.post,
            "RelatedPostId": link.related,
            "LinkTypeId": link.kind,
        }


def _tags(world: World, cut: date) -> Iterator[Row]:
    """Only tags in use: the site drops the others each night."""
    uses = Counter(tag for post in world.posts.values() if world.is_visible(post) for tag in post.tags)
    for tag in world.tags.values():
        if uses[tag.name]:
            yield {
                "Id": tag.id,
                "TagName": tag.name,
                "Count": uses[tag.name],
                "ExcerptPostId": tag.excerpt,
                "WikiPostId": tag.wiki,
                "IsModeratorOnly": tag.name == world.topic.moderator_tag or None,
            }


def _post_history(world: World, cut: date) -> Iterator[Row]:
    for entry in world.history.values():
        if world.is_visible(world.posts[entry.post]):
            user, user_name = world.signature(entry.user)
            yield {
                "Id": entry.id,
                "PostHistoryTypeId": entry.kind,
                "PostId": entry.post,
                "RevisionGUID": entry.revision,
                "CreationDate": entry.created,
                "UserId": user,
                "UserDisplayName": user_name,
                "Comment": entry.comment,
                "Text": entry.text,
                "ContentLicense": licence(entry.created) if entry.text else None,
            }


_TABLES: dict[str, Callable[[World, date], Iterator[Row]]] = {
    "posts": _posts,
    "users": _users,
    "comments": _comments,
    "votes": _votes,
    "badges": _badges,
    "post_links": _post_links,
    "tags": _tags,
    "post_history": _post_history,
}
