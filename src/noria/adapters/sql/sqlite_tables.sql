CREATE TABLE models (
  name TEXT NOT NULL,
  CONSTRAINT models_pk PRIMARY KEY (name)
);

CREATE TABLE services (
  id TEXT NOT NULL,
  model TEXT NOT NULL,
  body TEXT NOT NULL,
  CONSTRAINT services_pk PRIMARY KEY (id)
);

CREATE TABLE events (
  model TEXT NOT NULL,
  seq INTEGER NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  digest VARCHAR(71) NOT NULL,
  previous VARCHAR(71) NOT NULL,
  hash VARCHAR(71) NOT NULL,
  outline TEXT,
  CONSTRAINT events_pk PRIMARY KEY (model, seq),
  CONSTRAINT events_models_fk FOREIGN KEY(model) REFERENCES models (name)
);

CREATE INDEX events_kind ON events (model, kind, seq);

CREATE TABLE runs (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  number INTEGER NOT NULL,
  started BIGINT NOT NULL,
  finished BIGINT,
  outcome TEXT,
  body TEXT,
  CONSTRAINT runs_pk PRIMARY KEY (id),
  CONSTRAINT runs_models_fk FOREIGN KEY(model) REFERENCES models (name),
  CONSTRAINT runs_number UNIQUE (model, number)
);

CREATE INDEX runs_started ON runs (started);

CREATE TABLE versions (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  number INTEGER NOT NULL,
  body TEXT,
  CONSTRAINT versions_pk PRIMARY KEY (id),
  CONSTRAINT versions_models_fk FOREIGN KEY(model) REFERENCES models (name),
  CONSTRAINT versions_number UNIQUE (model, number)
);

CREATE TABLE outbox (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  seq INTEGER NOT NULL,
  channel TEXT NOT NULL,
  alarm TEXT NOT NULL,
  due BIGINT NOT NULL,
  attempts INTEGER NOT NULL,
  state TEXT NOT NULL,
  ended BIGINT,
  error TEXT NOT NULL,
  body TEXT NOT NULL,
  CONSTRAINT outbox_pk PRIMARY KEY (id),
  CONSTRAINT outbox_models_fk FOREIGN KEY(model) REFERENCES models (name),
  CONSTRAINT outbox_message UNIQUE (model, seq, channel)
);

CREATE INDEX outbox_due ON outbox (state, due);

CREATE TABLE rollouts (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  number INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  ended BOOLEAN NOT NULL,
  body TEXT,
  CONSTRAINT rollouts_pk PRIMARY KEY (id),
  CONSTRAINT rollouts_models_fk FOREIGN KEY(model) REFERENCES models (name),
  CONSTRAINT rollouts_revision UNIQUE (model, number, revision)
);

CREATE TABLE feedback (
  seq INTEGER NOT NULL,
  model TEXT NOT NULL,
  "by" TEXT NOT NULL,
  ref TEXT NOT NULL,
  label TEXT,
  known BIGINT NOT NULL,
  correction BOOLEAN NOT NULL,
  received BIGINT NOT NULL,
  CONSTRAINT feedback_pk PRIMARY KEY (seq),
  CONSTRAINT feedback_models_fk FOREIGN KEY(model) REFERENCES models (name)
);

CREATE INDEX feedback_ref ON feedback (model, "by", ref, seq);

CREATE INDEX feedback_seq ON feedback (model, seq);

CREATE TABLE steps (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  run INTEGER NOT NULL,
  step TEXT NOT NULL,
  fingerprint VARCHAR(71) NOT NULL,
  origin TEXT NOT NULL,
  seq INTEGER,
  place INTEGER NOT NULL,
  body TEXT,
  CONSTRAINT steps_pk PRIMARY KEY (id),
  CONSTRAINT steps_runs_fk FOREIGN KEY(model, run) REFERENCES runs (model, number)
);

CREATE INDEX steps_run ON steps (model, run, step);

CREATE INDEX steps_fingerprint ON steps (model, fingerprint, id);

CREATE INDEX steps_step ON steps (model, step, id);

CREATE TABLE aliases (
  model TEXT NOT NULL,
  alias TEXT NOT NULL,
  number INTEGER NOT NULL,
  CONSTRAINT aliases_pk PRIMARY KEY (model, alias),
  CONSTRAINT aliases_versions_fk FOREIGN KEY(model, number) REFERENCES versions (model, number)
);

CREATE TABLE judgements (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  body TEXT,
  CONSTRAINT judgements_pk PRIMARY KEY (id),
  CONSTRAINT judgements_versions_fk FOREIGN KEY(model, version) REFERENCES versions (model, number)
);

CREATE INDEX judgements_version ON judgements (model, version, id);

CREATE TABLE blocks (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  start BIGINT NOT NULL,
  body TEXT,
  CONSTRAINT blocks_pk PRIMARY KEY (id),
  CONSTRAINT blocks_versions_fk FOREIGN KEY(model, version) REFERENCES versions (model, number),
  CONSTRAINT blocks_start UNIQUE (model, version, start)
);

CREATE TABLE sights (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  start BIGINT NOT NULL,
  body TEXT,
  CONSTRAINT sights_pk PRIMARY KEY (id),
  CONSTRAINT sights_versions_fk FOREIGN KEY(model, version) REFERENCES versions (model, number),
  CONSTRAINT sights_start UNIQUE (model, version, start)
);

CREATE TABLE states (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  body TEXT,
  CONSTRAINT states_pk PRIMARY KEY (id),
  CONSTRAINT states_versions_fk FOREIGN KEY(model, version) REFERENCES versions (model, number)
);

CREATE INDEX states_version ON states (model, version, id);

CREATE TABLE alarms (
  id INTEGER NOT NULL,
  model TEXT NOT NULL,
  version INTEGER NOT NULL,
  monitor TEXT NOT NULL,
  block BIGINT NOT NULL,
  body TEXT,
  CONSTRAINT alarms_pk PRIMARY KEY (id),
  CONSTRAINT alarms_versions_fk FOREIGN KEY(model, version) REFERENCES versions (model, number),
  CONSTRAINT alarms_block UNIQUE (model, version, monitor, block)
);

CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL,
  CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
