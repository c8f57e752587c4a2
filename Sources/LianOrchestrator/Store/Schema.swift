/// The store's schema, grown by one script at a time. `user_version` tells how many have run; a script that has been
/// released is never changed.
let storeMigrations = [
    """
    CREATE TABLE runners (
        id TEXT PRIMARY KEY,
        idempotency_key TEXT NOT NULL UNIQUE,
        request TEXT NOT NULL,
        workspace TEXT NOT NULL,
        provider TEXT NOT NULL,
        tier TEXT,
        cpu INTEGER NOT NULL,
        memory_mb INTEGER NOT NULL,
        lease_seconds INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        place TEXT,
        boot_id TEXT NOT NULL,
        lease_ends INTEGER NOT NULL,
        life_ends INTEGER NOT NULL,
        gone_at INTEGER,
        torn_down INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX runners_standing ON runners (torn_down) WHERE torn_down = 0;
    CREATE INDEX runners_unfinished ON runners (id) WHERE torn_down = 0 OR state <> 'gone';
    CREATE INDEX runners_finished ON runners (gone_at) WHERE torn_down = 1;
    CREATE TABLE metrics (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        workspace TEXT NOT NULL,
        build_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        runner_id TEXT,
        tier TEXT,
        outcome TEXT NOT NULL,
        cpu_peak REAL,
        memory_mb_peak REAL,
        duration_seconds REAL NOT NULL,
        UNIQUE (workspace, build_id, attempt)
    ) STRICT;
    CREATE INDEX metrics_of_successes ON metrics (workspace, sequence) WHERE outcome = 'succeeded';
    """,
    // How long a runner has been gone is measured since boot if it went in this boot, because the wall clock can be
    // set. Metrics are kept for a limited time, and only a limited number for each workspace.
    """
    ALTER TABLE runners ADD COLUMN gone_boot_id TEXT;
    ALTER TABLE runners ADD COLUMN gone_since_boot INTEGER;
    ALTER TABLE metrics ADD COLUMN kept_at INTEGER;
    CREATE INDEX metrics_of_others ON metrics (workspace, sequence) WHERE outcome <> 'succeeded';
    """,
    // What is kept of volumes, and what runners have of them. A generation is called after the runner that made it.
    """
    CREATE TABLE volume_generations (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        workspace TEXT NOT NULL,
        number INTEGER NOT NULL,
        engine TEXT NOT NULL,
        layout TEXT NOT NULL,
        platform TEXT NOT NULL,
        provider TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        executed_ms INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        used_boot_id TEXT NOT NULL,
        used_since_boot INTEGER NOT NULL,
        state TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX volume_heads ON volume_generations (name) WHERE state = 'head';
    CREATE TABLE volume_lendings (
        runner_id TEXT PRIMARY KEY,
        workspace TEXT NOT NULL,
        generation TEXT,
        volume TEXT,
        head INTEGER NOT NULL,
        engine TEXT NOT NULL,
        layout TEXT NOT NULL,
        platform TEXT NOT NULL,
        answer TEXT
    ) STRICT;
    """,
    // By which token a runner was spawned: each may have a limited number of them.
    """
    ALTER TABLE runners ADD COLUMN token TEXT;
    """,
    // What builds have told of themselves, to be looked at, and what of a runner is shown beside it. `begun` is counted
    // in milliseconds since the boot that the runner belongs to.
    """
    ALTER TABLE runners ADD COLUMN build_id TEXT;
    ALTER TABLE runners ADD COLUMN attempt INTEGER;
    ALTER TABLE runners ADD COLUMN begun INTEGER;
    ALTER TABLE metrics ADD COLUMN volume_state TEXT;
    ALTER TABLE metrics ADD COLUMN kept INTEGER;
    ALTER TABLE metrics ADD COLUMN steps_total INTEGER;
    ALTER TABLE metrics ADD COLUMN steps_cached INTEGER;
    ALTER TABLE metrics ADD COLUMN artifacts TEXT;
    ALTER TABLE metrics ADD COLUMN image_bytes INTEGER;
    ALTER TABLE metrics ADD COLUMN error_code TEXT;
    ALTER TABLE metrics ADD COLUMN timings_ms TEXT;
    ALTER TABLE metrics ADD COLUMN cpu INTEGER;
    ALTER TABLE metrics ADD COLUMN memory_mb INTEGER;
    CREATE INDEX metrics_of_workspace ON metrics (workspace, sequence);
    CREATE INDEX metrics_by_age ON metrics (kept_at);
    """,
    // By what this orchestrator marks what it makes on machines that others use too.
    """
    CREATE TABLE identity (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        id TEXT NOT NULL
    ) STRICT;
    """,
    // Who has told of a build: what a session tells is apart from what CI does.
    """
    ALTER TABLE metrics ADD COLUMN of_session INTEGER NOT NULL DEFAULT 0;
    DROP INDEX metrics_of_successes;
    DROP INDEX metrics_of_others;
    CREATE INDEX metrics_of_successes ON metrics (workspace, of_session, sequence) WHERE outcome = 'succeeded';
    CREATE INDEX metrics_of_others ON metrics (workspace, of_session, sequence) WHERE outcome <> 'succeeded';
    """,
    // What kind of machine a runner is on: its provider may be called otherwise by now, or not be there any more.
    """
    ALTER TABLE runners ADD COLUMN provider_kind TEXT;
    """,
    // On whose disks a volume lies: NULL is the orchestrator's own machine, else the name of the provider.
    """
    ALTER TABLE volume_generations ADD COLUMN place TEXT;
    ALTER TABLE volume_lendings ADD COLUMN place TEXT;
    """,
    // A machine that waits for a build: by what key it is opened and how it was made. NULL once it has a build.
    """
    ALTER TABLE runners ADD COLUMN standby TEXT;
    """,
]
