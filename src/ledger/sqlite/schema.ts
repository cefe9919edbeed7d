/**
 * The first version of the ledger's tables. Never edited once released: a change is a new migration after it.
 * Instants are milliseconds since 1970.
 */
export const BASELINE = `
CREATE TABLE identity (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  ledger_id TEXT NOT NULL,
  connector_id TEXT NOT NULL,
  -- A counter of its own: acknowledged events are deleted, and their numbers must not come back.
  next_seq INTEGER NOT NULL CHECK (next_seq >= 1),
  clock_mark INTEGER NOT NULL,
  -- How often something was committed: a ledger that has fewer than its checksums know has lost some.
  commits INTEGER NOT NULL DEFAULT 0,
  replaced_at INTEGER,
  bind_refused_at INTEGER,
  bind_fingerprint TEXT,
  -- The base entry of the directory that the recorded ids are of.
  base_id TEXT,
  base_dn TEXT,
  -- The directory server in use, since when it is, when it was last known to be, and how often there was another.
  server TEXT,
  server_since INTEGER NOT NULL DEFAULT 0,
  server_used INTEGER,
  server_change INTEGER NOT NULL DEFAULT 0,
  CHECK ((bind_refused_at IS NULL) = (bind_fingerprint IS NULL)),
  CHECK ((base_id IS NULL) = (base_dn IS NULL))
) STRICT;

CREATE TABLE jobs (
  receipt INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id TEXT NOT NULL UNIQUE,
  hash TEXT NOT NULL,
  job TEXT,
  received_at INTEGER NOT NULL,
  traceparent TEXT,
  grant_id TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  result TEXT
) STRICT;
CREATE INDEX open_jobs ON jobs (receipt) WHERE result IS NULL;
CREATE INDEX attached_jobs ON jobs (grant_id, receipt) WHERE result IS NULL;
CREATE INDEX settled_jobs ON jobs (received_at) WHERE result IS NOT NULL;

CREATE TABLE grants (
  grant_id TEXT PRIMARY KEY,
  state TEXT NOT NULL CHECK (state IN ('pending', 'active', 'ending', 'ended', 'failed')),
  user_id TEXT,
  user_dn TEXT,
  group_id TEXT,
  group_dn TEXT,
  requested_end TEXT,
  deadline INTEGER,
  standing TEXT,
  activated_at INTEGER,
  expires_at INTEGER,
  cause TEXT,
  since INTEGER,
  membership TEXT,
  code TEXT,
  -- When it ended or failed.
  over_at INTEGER,
  -- What was seen absent as it ended.
  absence TEXT
) STRICT;
CREATE INDEX due_grants ON grants (expires_at, grant_id) WHERE state = 'active';
CREATE INDEX live_grants ON grants (user_id, group_id) WHERE state IN ('active', 'ending');
CREATE INDEX pending_grants ON grants (grant_id) WHERE state = 'pending';
CREATE INDEX ending_grants ON grants (grant_id) WHERE state = 'ending';
CREATE INDEX open_grants ON grants (grant_id) WHERE state IN ('pending', 'active', 'ending');
CREATE INDEX unknown_grants ON grants (grant_id) WHERE standing = 'unknown';
CREATE INDEX ended_grants ON grants (user_id, group_id, over_at) WHERE state = 'ended';
CREATE INDEX over_grants ON grants (over_at) WHERE state IN ('ended', 'failed');

CREATE TABLE remembered_revokes (
  grant_id TEXT PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX old_revokes ON remembered_revokes (at);

CREATE TABLE periods (
  user_id TEXT NOT NULL,
  user_dn TEXT NOT NULL,
  group_id TEXT NOT NULL,
  group_dn TEXT NOT NULL,
  standing TEXT NOT NULL,
  held_since INTEGER NOT NULL,
  member_attribute TEXT NOT NULL,
  "values" TEXT NOT NULL,
  met_values TEXT NOT NULL,
  seen_absent INTEGER NOT NULL,
  delete_sent INTEGER NOT NULL,
  -- When the values that were met last became others.
  met_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, group_id)
) STRICT;
CREATE INDEX periods_of_groups ON periods (group_id, held_since) WHERE standing = 'false';

CREATE TABLE intents (
  intent_id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL CHECK (kind IN ('add', 'remove')),
  grant_id TEXT NOT NULL REFERENCES grants (grant_id),
  user_id TEXT NOT NULL,
  user_dn TEXT NOT NULL,
  group_id TEXT NOT NULL,
  group_dn TEXT NOT NULL,
  member_attribute TEXT NOT NULL,
  "values" TEXT NOT NULL,
  pre_image TEXT NOT NULL,
  placeholder TEXT,
  at INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  closed_at INTEGER,
  -- Another took its place while its outcome was unknown.
  replaced INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX open_intents ON intents (user_id, group_id) WHERE closed_at IS NULL;
CREATE INDEX closed_intents ON intents (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX intents_of_grants ON intents (grant_id);
CREATE INDEX intents_of_pairs ON intents (user_id, group_id);

-- What the server in use may not have, as it was written before.
CREATE TABLE doubts (
  intent_id INTEGER PRIMARY KEY,
  decided INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE placeholders (
  group_id TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  subject TEXT,
  job_id TEXT,
  grant_id TEXT,
  event TEXT NOT NULL
) STRICT;
CREATE INDEX superseded_events ON events (subject) WHERE subject IS NOT NULL;
CREATE INDEX events_of_jobs ON events (job_id) WHERE job_id IS NOT NULL;
CREATE INDEX events_of_grants ON events (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE audit (
  audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  job_id TEXT,
  grant_id TEXT,
  -- RFC 8785, so that a chain of hashes can be laid over it.
  record TEXT NOT NULL
) STRICT;
CREATE INDEX old_audit ON audit (at);

-- Holds a row only inside the transaction that forgets what is older.
CREATE TABLE retention (before INTEGER NOT NULL) STRICT;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'an audit record is never changed'); END;
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE audit_id = NEW.audit_id)
BEGIN SELECT RAISE(ABORT, 'an audit record is never replaced'); END;
CREATE TRIGGER audit_lives_as_long_as_its_retention BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM retention WHERE OLD.at < before)
BEGIN SELECT RAISE(ABORT, 'an audit record is kept for its retention'); END;
`;

/** What the local policy remembers, and how many grants of a group are open. */
export const POLICY = `
CREATE TABLE policy_notes (
  subject TEXT PRIMARY KEY,
  note TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX old_policy_notes ON policy_notes (at);
CREATE INDEX open_grants_of_groups ON grants (group_id) WHERE state IN ('pending', 'active', 'ending');
`;

/** Since when a person on the machine lets no new grants be made; null where they are made. */
export const PAUSE = 'ALTER TABLE identity ADD COLUMN paused_since INTEGER';
