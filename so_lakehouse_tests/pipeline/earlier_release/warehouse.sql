CREATE SCHEMA lake;
COMMENT ON SCHEMA lake IS 'The projection of silver: current facts, no texts, nothing personal.';
CREATE SCHEMA lake_partition;
COMMENT ON SCHEMA lake_partition IS 'The partitions of lake''s large tables, one per site: read lake.';
CREATE SCHEMA marts;
COMMENT ON SCHEMA marts IS 'Aggregates for everybody: whole builds with every test green.';
CREATE SCHEMA marts_build;
COMMENT ON SCHEMA marts_build IS 'Where dbt builds the marts: read schema marts instead.';
CREATE TABLE lake.badges (
    site text NOT NULL,
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    name text NOT NULL,
    date timestamp with time zone NOT NULL,
    class smallint,
    tag_based boolean
)
PARTITION BY LIST (site);
COMMENT ON TABLE lake.badges IS 'Badges awarded, one row each.';
COMMENT ON COLUMN lake.badges.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.badges.id IS 'Identifier of the award, unique in its site.';
COMMENT ON COLUMN lake.badges.user_id IS 'Who earned it.';
COMMENT ON COLUMN lake.badges.name IS 'Name of the badge or of the tag.';
COMMENT ON COLUMN lake.badges.date IS 'When it was awarded, UTC.';
COMMENT ON COLUMN lake.badges.class IS 'Gold, silver or bronze; from 2016.';
COMMENT ON COLUMN lake.badges.tag_based IS 'Whether the badge is named after a tag; from 2016.';
CREATE TABLE lake.changed (
    site text NOT NULL,
    table_name text NOT NULL,
    month date,
    load_id bigint NOT NULL
);
COMMENT ON TABLE lake.changed IS 'Which months each load changed, deletions included. Rows of posts name the month of creation of every post in a thread touched by a changed post, tag or vote.';
COMMENT ON COLUMN lake.changed.month IS 'First day of the month; absent for tables without a date.';
COMMENT ON COLUMN lake.changed.load_id IS 'Grows in the order in which loads became visible.';
CREATE TABLE lake.comments (
    site text NOT NULL,
    id bigint NOT NULL,
    post_id bigint NOT NULL,
    score integer,
    creation_date timestamp with time zone NOT NULL,
    user_id bigint,
    content_license text
)
PARTITION BY LIST (site);
COMMENT ON TABLE lake.comments IS 'Current comments without their texts, one row each.';
COMMENT ON COLUMN lake.comments.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.comments.id IS 'Identifier of the comment, unique in its site.';
COMMENT ON COLUMN lake.comments.post_id IS 'Post that is commented on.';
COMMENT ON COLUMN lake.comments.score IS 'Up votes at the cut.';
COMMENT ON COLUMN lake.comments.creation_date IS 'When it was written, UTC.';
COMMENT ON COLUMN lake.comments.user_id IS 'Author; absent when the account was deleted.';
COMMENT ON COLUMN lake.comments.content_license IS 'Creative Commons licence of this text, by the date it was written.';
CREATE TABLE lake.load_status (
    site text NOT NULL,
    table_name text NOT NULL,
    lake_table_id text NOT NULL,
    lake_version bigint NOT NULL,
    data_version text NOT NULL,
    projection text NOT NULL,
    rows bigint NOT NULL,
    complete_to timestamp with time zone,
    load_id bigint NOT NULL,
    loaded_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE lake.load_status IS 'What of silver each site''s tables hold.';
COMMENT ON COLUMN lake.load_status.lake_table_id IS 'Identity of the Delta table; another one: reload.';
COMMENT ON COLUMN lake.load_status.lake_version IS 'Version of the Delta table that was read.';
COMMENT ON COLUMN lake.load_status.data_version IS 'Version of this site''s data in it.';
COMMENT ON COLUMN lake.load_status.projection IS 'Fingerprint of the projection that was applied.';
COMMENT ON COLUMN lake.load_status.rows IS 'Rows of this site in this table.';
COMMENT ON COLUMN lake.load_status.complete_to IS 'No gap in presence up to here, UTC.';
COMMENT ON COLUMN lake.load_status.load_id IS 'The load that last changed rows.';
CREATE TABLE lake.mart_build (
    number bigint NOT NULL,
    build_id text NOT NULL,
    load_id bigint NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    published_at timestamp with time zone
);
COMMENT ON TABLE lake.mart_build IS 'Builds of the marts; finished means every test was green.';
ALTER TABLE lake.mart_build ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME lake.mart_build_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE lake.migration (
    number integer NOT NULL,
    reason text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE lake.post_history (
    site text NOT NULL,
    post_id bigint NOT NULL,
    post_history_type_id smallint NOT NULL,
    day date NOT NULL,
    n bigint NOT NULL
)
PARTITION BY LIST (site);
COMMENT ON TABLE lake.post_history IS 'Revisions and events of posts, counted by post, type and day.';
COMMENT ON COLUMN lake.post_history.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.post_history.post_id IS 'Post it happened to.';
COMMENT ON COLUMN lake.post_history.post_history_type_id IS 'What happened.';
COMMENT ON COLUMN lake.post_history.day IS 'Day of the events, UTC.';
COMMENT ON COLUMN lake.post_history.n IS 'Number of events.';
CREATE TABLE lake.post_links (
    site text NOT NULL,
    id bigint NOT NULL,
    creation_date timestamp with time zone NOT NULL,
    post_id bigint NOT NULL,
    related_post_id bigint NOT NULL,
    link_type_id smallint NOT NULL
);
COMMENT ON TABLE lake.post_links IS 'Links between posts, one row each; either end may be deleted.';
COMMENT ON COLUMN lake.post_links.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.post_links.id IS 'Identifier of the link, unique in its site.';
COMMENT ON COLUMN lake.post_links.creation_date IS 'When the link was made, UTC.';
COMMENT ON COLUMN lake.post_links.post_id IS 'Post that links.';
COMMENT ON COLUMN lake.post_links.related_post_id IS 'Post that is linked to.';
COMMENT ON COLUMN lake.post_links.link_type_id IS 'Linked or duplicate.';
CREATE TABLE lake.post_tags (
    site text NOT NULL,
    post_id bigint NOT NULL,
    tag text NOT NULL
)
PARTITION BY LIST (site);
COMMENT ON TABLE lake.post_tags IS 'Tags of current questions, one row per question and tag.';
COMMENT ON COLUMN lake.post_tags.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.post_tags.post_id IS 'Question that carries the tag.';
COMMENT ON COLUMN lake.post_tags.tag IS 'Name of the tag.';
CREATE TABLE lake.posts (
    site text NOT NULL,
    id bigint NOT NULL,
    post_type_id smallint NOT NULL,
    accepted_answer_id bigint,
    parent_id bigint,
    creation_date timestamp with time zone NOT NULL,
    score integer,
    view_count integer,
    owner_user_id bigint,
    last_editor_user_id bigint,
    last_edit_date timestamp with time zone,
    last_activity_date timestamp with time zone,
    answer_count integer,
    comment_count integer,
    favorite_count integer,
    closed_date timestamp with time zone,
    community_owned_date timestamp with time zone,
    content_license text,
    owner_is_deleted boolean NOT NULL
)
PARTITION BY LIST (site);
COMMENT ON TABLE lake.posts IS 'Current posts without their texts, one row each.';
COMMENT ON COLUMN lake.posts.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.posts.id IS 'Identifier of the post, unique in its site.';
COMMENT ON COLUMN lake.posts.post_type_id IS 'What kind of post this is.';
COMMENT ON COLUMN lake.posts.accepted_answer_id IS 'Answer that the asker accepted; questions only.';
COMMENT ON COLUMN lake.posts.parent_id IS 'Question that this answers; answers only.';
COMMENT ON COLUMN lake.posts.creation_date IS 'When the post was written, UTC.';
COMMENT ON COLUMN lake.posts.score IS 'Up votes minus down votes at the cut.';
COMMENT ON COLUMN lake.posts.view_count IS 'Views of the question at the cut; answers carry none or 0.';
COMMENT ON COLUMN lake.posts.owner_user_id IS 'Author; absent when the account was deleted.';
COMMENT ON COLUMN lake.posts.last_editor_user_id IS 'Who edited last.';
COMMENT ON COLUMN lake.posts.last_edit_date IS 'When the text was last edited, UTC.';
COMMENT ON COLUMN lake.posts.last_activity_date IS 'When the thread was last active, UTC; votes do not count.';
COMMENT ON COLUMN lake.posts.answer_count IS 'Answers at the cut; questions only.';
COMMENT ON COLUMN lake.posts.comment_count IS 'Comments at the cut.';
COMMENT ON COLUMN lake.posts.favorite_count IS 'Bookmarks; the publisher stopped filling it in 2022-10.';
COMMENT ON COLUMN lake.posts.closed_date IS 'When the question was closed, UTC.';
COMMENT ON COLUMN lake.posts.community_owned_date IS 'When the post became community wiki, UTC.';
COMMENT ON COLUMN lake.posts.content_license IS 'Creative Commons licence of this text, by the date it was written.';
COMMENT ON COLUMN lake.posts.owner_is_deleted IS 'Whether the author''s account was deleted.';
CREATE TABLE lake.tags (
    site text NOT NULL,
    id bigint NOT NULL,
    tag_name text NOT NULL,
    count integer,
    excerpt_post_id bigint,
    wiki_post_id bigint,
    is_moderator_only boolean,
    is_required boolean
);
COMMENT ON TABLE lake.tags IS 'Tags in use, with the publisher''s counts, one row each.';
COMMENT ON COLUMN lake.tags.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.tags.id IS 'Identifier of the tag, unique in its site.';
COMMENT ON COLUMN lake.tags.tag_name IS 'The tag.';
COMMENT ON COLUMN lake.tags.count IS 'Questions with this tag at the cut.';
COMMENT ON COLUMN lake.tags.excerpt_post_id IS 'Post with the tag''s excerpt.';
COMMENT ON COLUMN lake.tags.wiki_post_id IS 'Post with the tag''s wiki.';
COMMENT ON COLUMN lake.tags.is_moderator_only IS 'Only moderators may use it; present only when true.';
COMMENT ON COLUMN lake.tags.is_required IS 'A question needs one of these; present only when true.';
CREATE TABLE lake.users (
    site text NOT NULL,
    id bigint NOT NULL,
    reputation integer,
    creation_date timestamp with time zone NOT NULL,
    last_access_date timestamp with time zone,
    views integer,
    up_votes integer,
    down_votes integer,
    account_id bigint
)
PARTITION BY LIST (site);
COMMENT ON TABLE lake.users IS 'Current accounts without names, places and texts, one row each.';
COMMENT ON COLUMN lake.users.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.users.id IS 'Identifier of the account, unique in its site; -1 is the Community user.';
COMMENT ON COLUMN lake.users.reputation IS 'Reputation at the cut.';
COMMENT ON COLUMN lake.users.creation_date IS 'When the account was created on this site, UTC.';
COMMENT ON COLUMN lake.users.last_access_date IS 'Last visit, UTC.';
COMMENT ON COLUMN lake.users.views IS 'Views of the profile at the cut.';
COMMENT ON COLUMN lake.users.up_votes IS 'Up votes cast.';
COMMENT ON COLUMN lake.users.down_votes IS 'Down votes cast.';
COMMENT ON COLUMN lake.users.account_id IS 'The person''s identifier in the whole network; absent where hidden.';
CREATE TABLE lake.votes (
    site text NOT NULL,
    post_id bigint NOT NULL,
    vote_type_id smallint NOT NULL,
    day date NOT NULL,
    bounty_user_id bigint,
    n bigint NOT NULL,
    bounty_amount bigint NOT NULL
)
PARTITION BY LIST (site);
COMMENT ON TABLE lake.votes IS 'Votes counted by post, type and day (and by who offered it, for bounties).';
COMMENT ON COLUMN lake.votes.site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake.votes.post_id IS 'Post voted on; often a deleted one.';
COMMENT ON COLUMN lake.votes.vote_type_id IS 'What the vote means.';
COMMENT ON COLUMN lake.votes.day IS 'Day of the votes, UTC.';
COMMENT ON COLUMN lake.votes.bounty_user_id IS 'Who offered the bounty (type 8); absent for every other vote.';
COMMENT ON COLUMN lake.votes.n IS 'Number of votes.';
COMMENT ON COLUMN lake.votes.bounty_amount IS 'Reputation offered (type 8) or awarded (type 9) in all; 0 for every other vote.';
CREATE TABLE lake_partition."badges@beer" (
    site text NOT NULL,
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    name text NOT NULL,
    date timestamp with time zone NOT NULL,
    class smallint,
    tag_based boolean
);
COMMENT ON COLUMN lake_partition."badges@beer".site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake_partition."badges@beer".id IS 'Identifier of the award, unique in its site.';
COMMENT ON COLUMN lake_partition."badges@beer".user_id IS 'Who earned it.';
COMMENT ON COLUMN lake_partition."badges@beer".name IS 'Name of the badge or of the tag.';
COMMENT ON COLUMN lake_partition."badges@beer".date IS 'When it was awarded, UTC.';
COMMENT ON COLUMN lake_partition."badges@beer".class IS 'Gold, silver or bronze; from 2016.';
COMMENT ON COLUMN lake_partition."badges@beer".tag_based IS 'Whether the badge is named after a tag; from 2016.';
CREATE TABLE lake_partition."comments@beer" (
    site text NOT NULL,
    id bigint NOT NULL,
    post_id bigint NOT NULL,
    score integer,
    creation_date timestamp with time zone NOT NULL,
    user_id bigint,
    content_license text
);
COMMENT ON COLUMN lake_partition."comments@beer".site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake_partition."comments@beer".id IS 'Identifier of the comment, unique in its site.';
COMMENT ON COLUMN lake_partition."comments@beer".post_id IS 'Post that is commented on.';
COMMENT ON COLUMN lake_partition."comments@beer".score IS 'Up votes at the cut.';
COMMENT ON COLUMN lake_partition."comments@beer".creation_date IS 'When it was written, UTC.';
COMMENT ON COLUMN lake_partition."comments@beer".user_id IS 'Author; absent when the account was deleted.';
COMMENT ON COLUMN lake_partition."comments@beer".content_license IS 'Creative Commons licence of this text, by the date it was written.';
CREATE TABLE lake_partition."post_history@beer" (
    site text NOT NULL,
    post_id bigint NOT NULL,
    post_history_type_id smallint NOT NULL,
    day date NOT NULL,
    n bigint NOT NULL
);
COMMENT ON COLUMN lake_partition."post_history@beer".site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake_partition."post_history@beer".post_id IS 'Post it happened to.';
COMMENT ON COLUMN lake_partition."post_history@beer".post_history_type_id IS 'What happened.';
COMMENT ON COLUMN lake_partition."post_history@beer".day IS 'Day of the events, UTC.';
COMMENT ON COLUMN lake_partition."post_history@beer".n IS 'Number of events.';
CREATE TABLE lake_partition."post_tags@beer" (
    site text NOT NULL,
    post_id bigint NOT NULL,
    tag text NOT NULL
);
COMMENT ON COLUMN lake_partition."post_tags@beer".site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake_partition."post_tags@beer".post_id IS 'Question that carries the tag.';
COMMENT ON COLUMN lake_partition."post_tags@beer".tag IS 'Name of the tag.';
CREATE TABLE lake_partition."posts@beer" (
    site text NOT NULL,
    id bigint NOT NULL,
    post_type_id smallint NOT NULL,
    accepted_answer_id bigint,
    parent_id bigint,
    creation_date timestamp with time zone NOT NULL,
    score integer,
    view_count integer,
    owner_user_id bigint,
    last_editor_user_id bigint,
    last_edit_date timestamp with time zone,
    last_activity_date timestamp with time zone,
    answer_count integer,
    comment_count integer,
    favorite_count integer,
    closed_date timestamp with time zone,
    community_owned_date timestamp with time zone,
    content_license text,
    owner_is_deleted boolean NOT NULL
);
COMMENT ON COLUMN lake_partition."posts@beer".site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake_partition."posts@beer".id IS 'Identifier of the post, unique in its site.';
COMMENT ON COLUMN lake_partition."posts@beer".post_type_id IS 'What kind of post this is.';
COMMENT ON COLUMN lake_partition."posts@beer".accepted_answer_id IS 'Answer that the asker accepted; questions only.';
COMMENT ON COLUMN lake_partition."posts@beer".parent_id IS 'Question that this answers; answers only.';
COMMENT ON COLUMN lake_partition."posts@beer".creation_date IS 'When the post was written, UTC.';
COMMENT ON COLUMN lake_partition."posts@beer".score IS 'Up votes minus down votes at the cut.';
COMMENT ON COLUMN lake_partition."posts@beer".view_count IS 'Views of the question at the cut; answers carry none or 0.';
COMMENT ON COLUMN lake_partition."posts@beer".owner_user_id IS 'Author; absent when the account was deleted.';
COMMENT ON COLUMN lake_partition."posts@beer".last_editor_user_id IS 'Who edited last.';
COMMENT ON COLUMN lake_partition."posts@beer".last_edit_date IS 'When the text was last edited, UTC.';
COMMENT ON COLUMN lake_partition."posts@beer".last_activity_date IS 'When the thread was last active, UTC; votes do not count.';
COMMENT ON COLUMN lake_partition."posts@beer".answer_count IS 'Answers at the cut; questions only.';
COMMENT ON COLUMN lake_partition."posts@beer".comment_count IS 'Comments at the cut.';
COMMENT ON COLUMN lake_partition."posts@beer".favorite_count IS 'Bookmarks; the publisher stopped filling it in 2022-10.';
COMMENT ON COLUMN lake_partition."posts@beer".closed_date IS 'When the question was closed, UTC.';
COMMENT ON COLUMN lake_partition."posts@beer".community_owned_date IS 'When the post became community wiki, UTC.';
COMMENT ON COLUMN lake_partition."posts@beer".content_license IS 'Creative Commons licence of this text, by the date it was written.';
COMMENT ON COLUMN lake_partition."posts@beer".owner_is_deleted IS 'Whether the author''s account was deleted.';
CREATE TABLE lake_partition."users@beer" (
    site text NOT NULL,
    id bigint NOT NULL,
    reputation integer,
    creation_date timestamp with time zone NOT NULL,
    last_access_date timestamp with time zone,
    views integer,
    up_votes integer,
    down_votes integer,
    account_id bigint
);
COMMENT ON COLUMN lake_partition."users@beer".site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake_partition."users@beer".id IS 'Identifier of the account, unique in its site; -1 is the Community user.';
COMMENT ON COLUMN lake_partition."users@beer".reputation IS 'Reputation at the cut.';
COMMENT ON COLUMN lake_partition."users@beer".creation_date IS 'When the account was created on this site, UTC.';
COMMENT ON COLUMN lake_partition."users@beer".last_access_date IS 'Last visit, UTC.';
COMMENT ON COLUMN lake_partition."users@beer".views IS 'Views of the profile at the cut.';
COMMENT ON COLUMN lake_partition."users@beer".up_votes IS 'Up votes cast.';
COMMENT ON COLUMN lake_partition."users@beer".down_votes IS 'Down votes cast.';
COMMENT ON COLUMN lake_partition."users@beer".account_id IS 'The person''s identifier in the whole network; absent where hidden.';
CREATE TABLE lake_partition."votes@beer" (
    site text NOT NULL,
    post_id bigint NOT NULL,
    vote_type_id smallint NOT NULL,
    day date NOT NULL,
    bounty_user_id bigint,
    n bigint NOT NULL,
    bounty_amount bigint NOT NULL
);
COMMENT ON COLUMN lake_partition."votes@beer".site IS 'Site key, e.g. beer or beer.meta.';
COMMENT ON COLUMN lake_partition."votes@beer".post_id IS 'Post voted on; often a deleted one.';
COMMENT ON COLUMN lake_partition."votes@beer".vote_type_id IS 'What the vote means.';
COMMENT ON COLUMN lake_partition."votes@beer".day IS 'Day of the votes, UTC.';
COMMENT ON COLUMN lake_partition."votes@beer".bounty_user_id IS 'Who offered the bounty (type 8); absent for every other vote.';
COMMENT ON COLUMN lake_partition."votes@beer".n IS 'Number of votes.';
COMMENT ON COLUMN lake_partition."votes@beer".bounty_amount IS 'Reputation offered (type 8) or awarded (type 9) in all; 0 for every other vote.';
CREATE TABLE marts.build (
    build_id text NOT NULL,
    load_id bigint NOT NULL,
    published_at timestamp with time zone NOT NULL,
    marts text[] NOT NULL
);
COMMENT ON TABLE marts.build IS 'Builds as they were published; the newest is what the marts hold.';
COMMENT ON COLUMN marts.build.load_id IS 'The newest load of the warehouse that the build read.';
ALTER TABLE ONLY lake.badges ATTACH PARTITION lake_partition."badges@beer" FOR VALUES IN ('beer');
ALTER TABLE ONLY lake.comments ATTACH PARTITION lake_partition."comments@beer" FOR VALUES IN ('beer');
ALTER TABLE ONLY lake.post_history ATTACH PARTITION lake_partition."post_history@beer" FOR VALUES IN ('beer');
ALTER TABLE ONLY lake.post_tags ATTACH PARTITION lake_partition."post_tags@beer" FOR VALUES IN ('beer');
ALTER TABLE ONLY lake.posts ATTACH PARTITION lake_partition."posts@beer" FOR VALUES IN ('beer');
ALTER TABLE ONLY lake.users ATTACH PARTITION lake_partition."users@beer" FOR VALUES IN ('beer');
ALTER TABLE ONLY lake.votes ATTACH PARTITION lake_partition."votes@beer" FOR VALUES IN ('beer');
INSERT INTO lake.changed VALUES ('beer', 'users', '2016-01-01', 1);
INSERT INTO lake.changed VALUES ('beer', 'comments', '2016-01-01', 1);
INSERT INTO lake.changed VALUES ('beer', 'votes', '2016-01-01', 1);
INSERT INTO lake.changed VALUES ('beer', 'badges', '2016-01-01', 1);
INSERT INTO lake.changed VALUES ('beer', 'post_history', '2016-01-01', 1);
INSERT INTO lake.changed VALUES ('beer', 'post_links', '2016-01-01', 1);
INSERT INTO lake.changed VALUES ('beer', 'tags', NULL, 1);
INSERT INTO lake.changed VALUES ('beer', 'posts', '2016-01-01', 1);
INSERT INTO lake.load_status VALUES ('beer', 'posts', '666ddb06-1ad8-4069-94a9-c01f3ffeb1fc', 2, 'posts@2', 'fc9d82c004c6', 2, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'post_tags', '666ddb06-1ad8-4069-94a9-c01f3ffeb1fc', 2, 'posts@2', 'df1085405754', 2, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'users', '00e6a439-6648-4b2f-a804-354a68a47e97', 2, 'users@2', '1f45c8be6c82', 2, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'comments', 'f92bbb17-f52c-4bcc-a9e4-d8cf15d12c51', 2, 'comments@2', '5f3f223bb3ad', 1, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'votes', '1d8e4690-a399-4bbd-8e80-a8d02735e49c', 1, 'votes@1', '94c4b5927181', 2, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'badges', '807586ae-7c76-467c-824e-8e97f6e5a2c0', 1, 'badges@1', '720ccc075201', 1, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'post_links', '7a7a7aaf-26ac-4c8b-86d2-6a35721258e4', 1, 'post_links@1', '91cdbd96ea74', 1, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'tags', '35a6bd90-dbf6-40a2-a683-9437cd798c8e', 1, 'tags@1', 'fddca762e817', 1, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.load_status VALUES ('beer', 'post_history', 'b04cddfd-d2f2-4c45-a300-fa276180d0e1', 2, 'post_history@2', '0d574c31926e', 1, '2016-12-11 23:59:59.999999+00', 1, '2026-11-25 20:04:28.323745+00');
INSERT INTO lake.migration VALUES (1, 'Schemas and the loader''s bookkeeping', '2026-11-25 20:04:28.189807+00');
INSERT INTO lake.migration VALUES (2, 'Builds of the marts, and which of them readers see', '2026-11-25 20:04:28.189807+00');
INSERT INTO lake.post_links VALUES ('beer', 40, '2016-01-01 12:00:00.123+00', 1, 2, 1);
INSERT INTO lake.tags VALUES ('beer', 50, 'hops', 1, NULL, NULL, NULL, NULL);
INSERT INTO lake_partition."badges@beer" VALUES ('beer', 30, 7, 'Teacher', '2016-01-01 12:00:00.123+00', 3, false);
INSERT INTO lake_partition."comments@beer" VALUES ('beer', 10, 2, NULL, '2016-01-01 12:00:00.123+00', 7, NULL);
INSERT INTO lake_partition."post_history@beer" VALUES ('beer', 1, 2, '2016-01-01', 1);
INSERT INTO lake_partition."post_tags@beer" VALUES ('beer', 1, 'hops');
INSERT INTO lake_partition."post_tags@beer" VALUES ('beer', 1, 'ale');
INSERT INTO lake_partition."posts@beer" VALUES ('beer', 1, 1, NULL, NULL, '2016-01-01 12:00:00.123+00', 9, NULL, 7, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false);
INSERT INTO lake_partition."posts@beer" VALUES ('beer', 2, 2, NULL, 1, '2016-01-01 12:00:00.123+00', 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, true);
INSERT INTO lake_partition."users@beer" VALUES ('beer', 7, 121, '2016-01-01 12:00:00.123+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO lake_partition."users@beer" VALUES ('beer', 8, 1, '2016-01-01 12:00:00.123+00', NULL, NULL, NULL, NULL, NULL);
INSERT INTO lake_partition."votes@beer" VALUES ('beer', 1, 8, '2016-01-01', 7, 1, 50);
INSERT INTO lake_partition."votes@beer" VALUES ('beer', 1, 2, '2016-01-01', NULL, 1, 0);
SELECT pg_catalog.setval('lake.mart_build_number_seq', 1, false);
ALTER TABLE ONLY lake.badges
    ADD CONSTRAINT badges_pkey PRIMARY KEY (site, id);
ALTER TABLE ONLY lake.changed
    ADD CONSTRAINT changed_site_table_name_load_id_month_key UNIQUE NULLS NOT DISTINCT (site, table_name, load_id, month);
ALTER TABLE ONLY lake.comments
    ADD CONSTRAINT comments_pkey PRIMARY KEY (site, id);
ALTER TABLE ONLY lake.load_status
    ADD CONSTRAINT load_status_pkey PRIMARY KEY (site, table_name);
ALTER TABLE ONLY lake.mart_build
    ADD CONSTRAINT mart_build_build_id_key UNIQUE (build_id);
ALTER TABLE ONLY lake.mart_build
    ADD CONSTRAINT mart_build_pkey PRIMARY KEY (number);
ALTER TABLE ONLY lake.migration
    ADD CONSTRAINT migration_pkey PRIMARY KEY (number);
ALTER TABLE ONLY lake.post_history
    ADD CONSTRAINT post_history_pkey PRIMARY KEY (site, post_id, post_history_type_id, day);
ALTER TABLE ONLY lake.post_links
    ADD CONSTRAINT post_links_pkey PRIMARY KEY (site, id);
ALTER TABLE ONLY lake.post_tags
    ADD CONSTRAINT post_tags_pkey PRIMARY KEY (site, post_id, tag);
ALTER TABLE ONLY lake.posts
    ADD CONSTRAINT posts_pkey PRIMARY KEY (site, id);
ALTER TABLE ONLY lake.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (site, id);
ALTER TABLE ONLY lake.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (site, id);
ALTER TABLE ONLY lake.votes
    ADD CONSTRAINT votes_site_post_id_vote_type_id_day_bounty_user_id_key UNIQUE NULLS NOT DISTINCT (site, post_id, vote_type_id, day, bounty_user_id);
ALTER TABLE ONLY lake_partition."badges@beer"
    ADD CONSTRAINT "badges@beer_pkey" PRIMARY KEY (site, id);
ALTER TABLE ONLY lake_partition."comments@beer"
    ADD CONSTRAINT "comments@beer_pkey" PRIMARY KEY (site, id);
ALTER TABLE ONLY lake_partition."post_history@beer"
    ADD CONSTRAINT "post_history@beer_pkey" PRIMARY KEY (site, post_id, post_history_type_id, day);
ALTER TABLE ONLY lake_partition."post_tags@beer"
    ADD CONSTRAINT "post_tags@beer_pkey" PRIMARY KEY (site, post_id, tag);
ALTER TABLE ONLY lake_partition."posts@beer"
    ADD CONSTRAINT "posts@beer_pkey" PRIMARY KEY (site, id);
ALTER TABLE ONLY lake_partition."users@beer"
    ADD CONSTRAINT "users@beer_pkey" PRIMARY KEY (site, id);
ALTER TABLE ONLY lake_partition."votes@beer"
    ADD CONSTRAINT "votes@beer_site_post_id_vote_type_id_day_bounty_user_id_key" UNIQUE NULLS NOT DISTINCT (site, post_id, vote_type_id, day, bounty_user_id);
ALTER TABLE ONLY marts.build
    ADD CONSTRAINT build_pkey PRIMARY KEY (build_id);
CREATE INDEX badges_date_idx ON ONLY lake.badges USING btree (date);
CREATE INDEX badges_user_id_idx ON ONLY lake.badges USING btree (user_id);
CREATE INDEX changed_load_id_idx ON lake.changed USING btree (load_id);
CREATE INDEX comments_creation_date_idx ON ONLY lake.comments USING btree (creation_date);
CREATE INDEX comments_post_id_idx ON ONLY lake.comments USING btree (post_id);
CREATE INDEX comments_user_id_idx ON ONLY lake.comments USING btree (user_id);
CREATE INDEX post_history_day_idx ON ONLY lake.post_history USING btree (day);
CREATE INDEX post_links_site_post_id_idx ON lake.post_links USING btree (site, post_id);
CREATE INDEX post_links_site_related_post_id_idx ON lake.post_links USING btree (site, related_post_id);
CREATE INDEX post_tags_tag_post_id_idx ON ONLY lake.post_tags USING btree (tag, post_id);
CREATE INDEX posts_creation_date_idx ON ONLY lake.posts USING btree (creation_date);
CREATE INDEX posts_owner_user_id_idx ON ONLY lake.posts USING btree (owner_user_id);
CREATE INDEX posts_parent_id_idx ON ONLY lake.posts USING btree (parent_id);
CREATE INDEX tags_site_tag_name_idx ON lake.tags USING btree (site, tag_name);
CREATE INDEX users_account_id_idx ON ONLY lake.users USING btree (account_id);
CREATE INDEX votes_day_idx ON ONLY lake.votes USING btree (day);
CREATE INDEX "badges@beer_date_idx" ON lake_partition."badges@beer" USING btree (date);
CREATE INDEX "badges@beer_user_id_idx" ON lake_partition."badges@beer" USING btree (user_id);
CREATE INDEX "comments@beer_creation_date_idx" ON lake_partition."comments@beer" USING btree (creation_date);
CREATE INDEX "comments@beer_post_id_idx" ON lake_partition."comments@beer" USING btree (post_id);
CREATE INDEX "comments@beer_user_id_idx" ON lake_partition."comments@beer" USING btree (user_id);
CREATE INDEX "post_history@beer_day_idx" ON lake_partition."post_history@beer" USING btree (day);
CREATE INDEX "post_tags@beer_tag_post_id_idx" ON lake_partition."post_tags@beer" USING btree (tag, post_id);
CREATE INDEX "posts@beer_creation_date_idx" ON lake_partition."posts@beer" USING btree (creation_date);
CREATE INDEX "posts@beer_owner_user_id_idx" ON lake_partition."posts@beer" USING btree (owner_user_id);
CREATE INDEX "posts@beer_parent_id_idx" ON lake_partition."posts@beer" USING btree (parent_id);
CREATE INDEX "users@beer_account_id_idx" ON lake_partition."users@beer" USING btree (account_id);
CREATE INDEX "votes@beer_day_idx" ON lake_partition."votes@beer" USING btree (day);
ALTER INDEX lake.badges_date_idx ATTACH PARTITION lake_partition."badges@beer_date_idx";
ALTER INDEX lake.badges_pkey ATTACH PARTITION lake_partition."badges@beer_pkey";
ALTER INDEX lake.badges_user_id_idx ATTACH PARTITION lake_partition."badges@beer_user_id_idx";
ALTER INDEX lake.comments_creation_date_idx ATTACH PARTITION lake_partition."comments@beer_creation_date_idx";
ALTER INDEX lake.comments_pkey ATTACH PARTITION lake_partition."comments@beer_pkey";
ALTER INDEX lake.comments_post_id_idx ATTACH PARTITION lake_partition."comments@beer_post_id_idx";
ALTER INDEX lake.comments_user_id_idx ATTACH PARTITION lake_partition."comments@beer_user_id_idx";
ALTER INDEX lake.post_history_day_idx ATTACH PARTITION lake_partition."post_history@beer_day_idx";
ALTER INDEX lake.post_history_pkey ATTACH PARTITION lake_partition."post_history@beer_pkey";
ALTER INDEX lake.post_tags_pkey ATTACH PARTITION lake_partition."post_tags@beer_pkey";
ALTER INDEX lake.post_tags_tag_post_id_idx ATTACH PARTITION lake_partition."post_tags@beer_tag_post_id_idx";
ALTER INDEX lake.posts_creation_date_idx ATTACH PARTITION lake_partition."posts@beer_creation_date_idx";
ALTER INDEX lake.posts_owner_user_id_idx ATTACH PARTITION lake_partition."posts@beer_owner_user_id_idx";
ALTER INDEX lake.posts_parent_id_idx ATTACH PARTITION lake_partition."posts@beer_parent_id_idx";
ALTER INDEX lake.posts_pkey ATTACH PARTITION lake_partition."posts@beer_pkey";
ALTER INDEX lake.users_account_id_idx ATTACH PARTITION lake_partition."users@beer_account_id_idx";
ALTER INDEX lake.users_pkey ATTACH PARTITION lake_partition."users@beer_pkey";
ALTER INDEX lake.votes_day_idx ATTACH PARTITION lake_partition."votes@beer_day_idx";
ALTER INDEX lake.votes_site_post_id_vote_type_id_day_bounty_user_id_key ATTACH PARTITION lake_partition."votes@beer_site_post_id_vote_type_id_day_bounty_user_id_key";
