import { MIGRATIONS, type Migration } from '../../src/ledger/sqlite/migrations.ts';

/** Two steps that a later version might take: one rewrites every grant, one makes a new table of the jobs. */
export const LATER_STEPS: readonly string[] = [
  `ALTER TABLE grants ADD COLUMN note TEXT;
   UPDATE grants SET note = 'of ' || grant_id;
   CREATE INDEX noted_grants ON grants (note);`,
  `CREATE TABLE later_jobs (job_id TEXT PRIMARY KEY, hash TEXT NOT NULL, received_at INTEGER NOT NULL) STRICT;
   INSERT INTO later_jobs SELECT job_id, hash, received_at FROM jobs;
   UPDATE jobs SET attempts = attempts + 1;`,
];

/** The ledger's own steps, and those. */
export const NEXT_MIGRATIONS: readonly Migration[] = [...MIGRATIONS, ...LATER_STEPS];
