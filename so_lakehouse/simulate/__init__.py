"""A simulated community with known answers, and the dumps it would publish. None of its people or posts is real.

| module | subject |
|---|---|
| `topics` | the sites: names, tags, words |
| `plans` | what is meant to be true of each: roles, curves, the shock |
| `careers`, `adoption`, `shock` | how roles move, tags rise and fall, people ask less |
| `text` | sentences of a post, as Markdown and as HTML |
| `world` | what exists on a site: people, posts, comments, votes, history |
| `contributions`, `reactions`, `moderation` | what people do, one function per kind of event |
| `community` | the days: who joins, how often each event happens |
| `badges`, `reputation` | what they earn by the rules |
| `snapshot` | the rows that a dump shows of a world at its cut |
| `quirks` | how the publisher spelled them in which quarter |
| `dump_file`, `archive` | one XML file; one `.7z` |
| `truth`, `known_answers` | what is true of the files; what analyses should find |
| `dumps` | a mirror of releases |
| `simulation` | what a mirror's communities were made with, so that they can be served |
| `api_rows`, `living_site` | the rows of a moment as the API's items; a site that lives on as days pass |
| `api_site`, `api_server` | the API's questions; HTTP, quota, backoff and faults |
| `faults`, `served` | the faults by name; a simulation behind the API, with a clock that can be moved |
| `demonstration` | the demo's story |
| `fixed_chance`, `large_site`, `large` | a site of any size in constant memory, for benchmarks |

No dependency on the reader: what writes the dumps shares nothing with what is tested against them but the schema.
"""
