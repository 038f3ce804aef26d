"""The text of simulated posts: sentences from a topic's words, kept as blocks and spelled as Markdown or HTML.

Texts carry on purpose what trips readers: markup characters, quotes, letters beyond ASCII and beyond 16 bits, line
ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from random import Random

from so_lakehouse.simulate.topics import Topic

_OPENINGS = (
    "I want to {action} {thing}, but {trouble}.",
    "Each time I {action} {thing}, {trouble}.",
    "We {action} {thing} twice a week; lately {trouble}.",
    "My neighbour says one should never {action} {thing} — is that true?",
)
_MIDDLES = (
    "I measured it for {number} days and {trouble}.",
    "With {thing} it works; with {thing2} it does not.",
    "The manual says R&D tested it at {number} °C, which is > what I have.",
    'A friend calls this "the {number}-day rule" & swears by it.',
    "Temperature was {number} ± 2, nothing else changed.",
    "Does it matter whether I {action} first or {action2} first?",
)
_ADVICE = (
    "First {action} {thing}; if {trouble}, wait {number} hours and {action2} again.",
    "The usual cause is {thing}: {trouble} whenever it is < {number} % of the total.",
    "Don't {action} {thing} before you {action2}.",
    "I did this for {number} years, and {trouble} only once 🍺.",
    "It depends on {thing}. 测量两次 切一次 — measure twice.",
)
_COMMENTS = (
    "Did you {action} {thing} first?",
    "Same here: {trouble}.",
    "+1, {number} % agree.",
    'What do you mean by "{thing}"?',
    "@OP please add the value of `x < {number}`, else we can't tell.",
    "Thanks, that worked!\nOnly after {number} tries & some luck.",
)
_TITLES = (
    "How do I {action} {thing} when {trouble}?",
    "Why should I {action} {thing}?",
    "Is it safe to {action} {thing} & {action2} later?",
    "{trouble}: what to do with {thing}?",
)

_FIRST_NAMES = ("Ada", "Björn", "Chloé", "Dmitri", "Farid", "Grace", "Hiroshi", "Inès", "João", "Łucja", "Mei", "Zoë")
_LAST_NAMES = ("Sim", "Mock", "Pseudo", "Specimen", "O'Fiction", "von Beispiel", "Sample & Co", "<Example>", "見本")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph (`p`), piece of code (`code`), list item (`li`) or quotation (`quote`)."""

    kind: str
    text: str


Text = tuple[Block, ...]

_HTML = {"p": "<p>{}</p>", "code": "<pre><code>{}\n</code></pre>", "li": "<ul>\n<li>{}</li>\n</ul>"}
_HTML["quote"] = "<blockquote>\n<p>{}</p>\n</blockquote>"


def html(text: Text) -> str:
    """The text as the site renders it: one element per block, LF between them, no tabs, as in `Posts.Body`."""
    return "\n\n".join(_HTML[block.kind].format(escape(block.text.expandtabs(4), quote=False)) for block in text) + (
        "\n" if text else ""
    )


def markdown(text: Text) -> str:
    """The text as its author typed it in a browser: CRLF between lines, as in `PostHistory.Text`."""
    lines = []
    for block in text:
        prefix = {"p": "", "code": "    ", "li": " - ", "quote": "> "}[block.kind]
        lines.append("\r\n".join(prefix + line for line in block.text.split("\n")))
    return "\r\n\r\n".join(lines)


class Author:
    """Makes texts about one topic; the same `rng` state gives the same text."""

    def __init__(self, topic: Topic, rng: Random) -> None:
        self.topic = topic
        self.rng = rng

    def name(self, number: int) -> str:
        return f"{self.rng.choice(_FIRST_NAMES)} {self.rng.choice(_LAST_NAMES)} {number}"

    def title(self) -> str:
        title = self._sentence(_TITLES)
        return title[0].upper() + title[1:]

    def question(self) -> Text:
        blocks = [Block("p", self._sentence(_OPENINGS))]
        blocks += [Block("p", self._sentences(_MIDDLES)) for _ in range(self.rng.randrange(1, 4))]
        if self.rng.random() < 0.4:
            blocks.append(Block("code", self.rng.choice(self.topic.snippets)))
        return tuple(blocks)

    def answer(self) -> Text:
        blocks = [Block("p", self._sentences(_ADVICE)) for _ in range(self.rng.randrange(1, 4))]
        if self.rng.random() < 0.3:
            blocks += [Block("li", self._sentence(_ADVICE)), Block("li", self._sentence(_MIDDLES))]
        if self.rng.random() < 0.3:
            blocks.append(Block("code", self.rng.choice(self.topic.snippets)))
        if self.rng.random() < 0.1:
            blocks.insert(0, Block("quote", self._sentence(_OPENINGS)))
        return tuple(blocks)

    def revised(self, text: Text) -> Text:
        """The text with one block written anew or one added."""
        fresh = Block("p", self._sentences(_MIDDLES))
        place = self.rng.randrange(len(text) + 1)
        kept = place + (self.rng.random() < 0.5)
        return (*text[:place], fresh, *text[kept:])

    def comment(self) -> str:
        return self._sentence(_COMMENTS)

    def about(self) -> Text:
        return (Block("p", self._sentence(_OPENINGS)), Block("p", self._sentence(_ADVICE)))

    def wiki(self, tag: str) -> Text:
        return (Block("p", f"Questions about {tag} in {self.topic.name}."), Block("p", self._sentences(_ADVICE)))

    def excerpt(self, tag: str) -> Text:
        return (Block("p", f"For questions about {tag}, its causes & its cures."),)

    def _sentences(self, templates: tuple[str, ...]) -> str:
        return " ".join(self._sentence(templates) for _ in range(self.rng.randrange(1, 4)))

    def _sentence(self, templates: tuple[str, ...]) -> str:
        choose, topic = self.rng.choice, self.topic
        trouble = choose(topic.troubles)
        return choose(templates).format(
            action=choose(topic.actions),
            action2=choose(topic.actions),
            thing=choose(topic.things),
            thing2=choose(topic.things),
            trouble=trouble,
            number=self.rng.randrange(2, 60),
        )
