//! The tables: wakes, timers, notes, and which deliveries were here.

/// Counted up with every change of `SCHEMA`; the file is disposable, so there are no migrations.
pub(super) const SCHEMA_VERSION: i64 = 3;

/// Times are microseconds since the epoch. `run_at` is derived, so it cannot disagree with the timers it is the least of.
pub(super) const SCHEMA: &str = "
BEGIN;
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY,
  app INTEGER NOT NULL,
  guid TEXT NOT NULL,
  body BLOB NOT NULL,
  event TEXT NOT NULL,
  received INTEGER NOT NULL,
  UNIQUE (app, guid)
);
CREATE INDEX delivery_body ON delivery (app, body, received);
CREATE TABLE work (
  key TEXT PRIMARY KEY,
  installation INTEGER NOT NULL,
  first_wake INTEGER,
  last_wake INTEGER,
  wake_at INTEGER,
  retry_at INTEGER,
  sweep_at INTEGER,
  look_at INTEGER,
  soon_at INTEGER AS (nullif(min(ifnull(wake_at, 9223372036854775807), ifnull(retry_at, 9223372036854775807)),
    9223372036854775807)) VIRTUAL,
  run_at INTEGER AS (nullif(min(ifnull(wake_at, 9223372036854775807), ifnull(retry_at, 9223372036854775807),
    ifnull(sweep_at, 9223372036854775807), ifnull(look_at, 9223372036854775807)), 9223372036854775807)) VIRTUAL,
  attempt INTEGER NOT NULL DEFAULT 0,
  reason TEXT,
  parked_at INTEGER,
  token INTEGER,
  lease_until INTEGER
);
CREATE INDEX work_turn ON work (installation, run_at) WHERE token IS NULL;
CREATE INDEX work_run ON work (run_at) WHERE token IS NULL;
CREATE INDEX work_soon ON work (soon_at) WHERE token IS NULL;
CREATE INDEX work_lease ON work (lease_until) WHERE token IS NOT NULL;
CREATE TABLE note (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX note_key ON note (key, id);
CREATE TABLE probe (id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
PRAGMA user_version = 3;
COMMIT;";
