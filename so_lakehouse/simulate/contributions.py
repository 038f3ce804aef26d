"""What people write: questions, answers, comments, edits, tag wikis, profiles.

Each function is one kind of event: it takes the world and the moment, finds who and what by chance, and changes the
world; where nobody fits, nothing happens. Frequencies are in `community`.
"""

from __future__ import annotations

from datetime import datetime

from so_lakehouse.simulate import choices
from so_lakehouse.simulate.badges import answered, did
from so_lakehouse.simulate.text import markdown
from so_lakehouse.simulate.world import (
    ANSWER,
    APPROVED_EDIT,
    COMMUNITY,
    QUESTION,
    TAG_EXCERPT,
    TAG_WIKI,
    Comment,
    Person,
    Post,
    Tag,
    World,
)

_REASONS = ("fixed grammar", "added 214 characters in body", 'clarified "title" & tags', "improved formatting")
_PLACES = ("Zürich", "São Paulo", "Reykjavík", "東京", "Łódź", 'Springfield "SIM"', "on the <edge> of town")


def ask(world: World, now: datetime, person: Person) -> None:
    post = Post(world.next_id("posts"), QUESTION, now, person.id, world.author.question(), world.author.title())
    _tag(world, post, person.role)
    post.daily_views = world.rng.expovariate(1 / 2)
    if world.rng.random() < 0.01:
        post.community_owned = now
    _publish(world, post, now)
    world.questions.append(post.id)
    world.questions_by_role[person.role].append(post.id)
    written_tags = "".join(f"<{tag}>" for tag in post.tags)
    world.record(post, person.id, now, [(2, markdown(post.text)), (1, post.title), (3, written_tags)])
    if post.community_owned:
        world.record(post, person.id, now, [(16, None)])
    did(world, now, person, "question")


def answer(world: World, now: datetime, person: Person) -> None:
    question = choices.recent_question(world, mean_age=4, role=choices.field_of(world, person))
    if question is None or question.closed or any(world.posts[each].owner == person.id for each in question.answers):
        return
    post = Post(world.next_id("posts"), ANSWER, now, person.id, world.author.answer(), parent=question.id)
    question.answers.append(post.id)
    _publish(world, post, now)
    world.record(post, person.id, now, [(2, markdown(post.text))])
    answered(world, now, person, question.tags)


def comment(world: World, now: datetime, person: Person) -> None:
    post = choices.recent_post(world, mean_age=8, role=choices.field_of(world, person))
    if post is None:
        return
    new = Comment(world.next_id("comments"), post.id, world.author.comment(), now, person.id)
    world.comments[new.id] = new
    did(world, now, person, "comment")


def edit(world: World, now: datetime, person: Person) -> None:
    """The owner or a curator edits at once; anybody else proposes, and the approval is a vote."""
    post = choices.recent_post(world, mean_age=25)
    if post is None:
        return
    if post.owner != person.id and person.habit != "curator":
        proposal = f"Proposed by {person.id} approved by {COMMUNITY} edit id of {world.next_id('edits')}"
        world.record(post, None, now, [(24, None)], comment=proposal)
        world.cast(post, APPROVED_EDIT, person.id, now)
    post.text = world.author.revised(post.text)
    entries: list[tuple[int, str | None]] = [(5, markdown(post.text))]
    if post.kind == QUESTION and world.rng.random() < 0.25:
        post.title = world.author.title()
        entries.append((4, post.title))
    if post.kind == QUESTION and world.rng.random() < 0.25:
        _tag(world, post, world.role_of(post))
        entries.append((6, "".join(f"<{tag}>" for tag in post.tags)))
    post.editor, post.edited = person.id, now
    world.touch(post, now)
    world.record(post, person.id, now, entries, comment=world.rng.choice(_REASONS))
    did(world, now, person, "edit")


def describe_tag(world: World, now: datetime, person: Person) -> None:
    """A wiki and its excerpt are born together, and belong to the Community user where nobody wrote them."""
    bare = [tag for tag in world.tags.values() if tag.wiki is None]
    if not bare:
        return
    tag = world.rng.choice(bare)
    owner = COMMUNITY if world.rng.random() < 0.2 else person.id
    wiki = Post(world.next_id("posts"), TAG_WIKI, now, owner, () if owner == COMMUNITY else world.author.wiki(tag.name))
    excerpt = Post(world.next_id("posts"), TAG_EXCERPT, now, owner, world.author.excerpt(tag.name))
    tag.wiki, tag.excerpt = wiki.id, excerpt.id
    for post in (wiki, excerpt):
        post.editor, post.edited = owner, now
        _publish(world, post, now)
        world.record(post, owner, now, [(2, markdown(post.text))])


def edit_profile(world: World, now: datetime, person: Person) -> None:
    person.about = world.author.about()
    person.location = world.rng.choice(_PLACES)
    person.website = f"https://example.org/~{person.name.lower().replace(' ', '-')}?a=1&b=2"
    did(world, now, person, "profile")


def _publish(world: World, post: Post, now: datetime) -> None:
    world.posts[post.id] = post
    world.touch(post, now)


def _tag(world: World, post: Post, role: str) -> None:
    """Also a correction draws what fits the time of asking, so that it leaves every tag's share as it is meant."""
    post.tags = choices.tags(world, role, post.created.date())
    for name in post.tags:
        if name not in world.tags:
            world.tags[name] = Tag(world.next_id("tags"), name)
