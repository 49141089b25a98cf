-- Questions of workers, and buttons as rows.

-- A task that only a person may let go on has one open question: neither answered nor closed.
CREATE TABLE questions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id     TEXT NOT NULL REFERENCES tasks (id),
    -- The event that tells of it, and the run that asked.
    event_id    INTEGER,
    run_id      INTEGER,
    text        TEXT,
    -- What an answer in words should say.
    hint        TEXT,
    -- A JSON array of {label, value, style}.
    choices     TEXT NOT NULL DEFAULT '[]',
    asked_at    INTEGER NOT NULL,
    answered_at INTEGER,
    answered_by TEXT,
    answer      TEXT,
    road        TEXT CHECK (road IN ('reply', 'thread', 'button', 'form', 'command')),
    -- It was withdrawn without an answer.
    closed_at   INTEGER,
    CHECK ((answered_at IS NULL) = (answer IS NULL)),
    CHECK ((answered_at IS NULL) = (answered_by IS NULL)),
    CHECK (answered_at IS NULL OR closed_at IS NULL)
) STRICT;

CREATE UNIQUE INDEX questions_open ON questions (task_id) WHERE answered_at IS NULL AND closed_at IS NULL;
CREATE INDEX questions_by_task ON questions (task_id, id);

INSERT INTO questions (task_id, event_id, run_id, text, asked_at)
SELECT tasks.id, events.id, events.run_id, tasks.block_reason, coalesce(events.created_at, tasks.created_at)
FROM tasks LEFT JOIN events ON events.id =
    (SELECT max(id) FROM events asked WHERE asked.task_id = tasks.id AND asked.kind IN ('blocked', 'created'))
WHERE tasks.status = 'blocked' AND tasks.block_kind = 'needs_input';

-- What stands below a post. The key of a button names its delivery and its number.
CREATE TABLE buttons (
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    label       TEXT NOT NULL,
    style       TEXT NOT NULL DEFAULT 'plain' CHECK (style IN ('plain', 'primary', 'success', 'danger')),
    -- Whether a press asks for words first: 0 or 1.
    asks        INTEGER NOT NULL DEFAULT 0,
    -- What a press does, as JSON.
    action      TEXT NOT NULL,
    task_id     TEXT,
    -- The question that it answers or belongs to, and the event that its post tells of.
    question_id INTEGER,
    event_id    INTEGER,
    -- The delivery whose button asked for this one to be pressed.
    origin      INTEGER,
    -- Who alone may press it, as platform:id.
    who         TEXT,
    expires_at  INTEGER NOT NULL,
    -- The first press that had an effect uses up all buttons of its post; an answer, all of its question.
    pressed_at  INTEGER,
    pressed_by  TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX buttons_of_questions ON buttons (question_id) WHERE question_id IS NOT NULL AND pressed_at IS NULL;

INSERT INTO buttons (delivery_id, number, label, action, task_id, question_id, expires_at)
SELECT deliveries.id, button.key, json_extract(button.value, '$[0]'),
    CASE WHEN json_extract(button.value, '$[1][0]') IN ('cancel', 'archive')
        THEN json_object('confirm', json_extract(button.value, '$[1]'))
        ELSE json_object('run', json_extract(button.value, '$[1]')) END,
    deliveries.task_id,
    (SELECT questions.id FROM questions WHERE questions.task_id = deliveries.task_id
        AND deliveries.event = 'blocked' AND questions.asked_at <= deliveries.created_at),
    deliveries.created_at + 7776000000
FROM deliveries JOIN json_each(deliveries.actions) AS button
WHERE deliveries.actions IS NOT NULL;

ALTER TABLE deliveries DROP COLUMN actions;
-- How its buttons were used up while its message was still under way: an edit tells it once the message is there.
ALTER TABLE deliveries ADD COLUMN settled TEXT;

-- What people have said to a task: a reply to such a message is meant for the task too.
CREATE TABLE messages (
    platform   TEXT NOT NULL,
    channel    TEXT NOT NULL,
    message    TEXT NOT NULL,
    task_id    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (platform, channel, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX messages_by_task ON messages (task_id);
