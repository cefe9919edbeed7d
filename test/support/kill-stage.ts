import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { IndependentCheck, Posted } from './independent-check.ts';
import type { AnySystem } from './system.ts';
import { groupEntry } from './told.ts';

/** What a scenario works with; every case has people and groups of its own, so that none depends on the one before. */
export interface Stage {
  readonly s: AnySystem;
  readonly check: IndependentCheck;
  /** Somebody who is in no group yet. */
  person(): string;
  /** A new group of DNs, with these members, who are there by hand. */
  group(...standing: readonly string[]): Promise<string>;
  /** Posts a job that has to be answered by one of these. */
  post(job: Readonly<Record<string, unknown>>, ...allowed: readonly string[]): Promise<Posted>;
}

/** Waits until the connector has stored the job. */
export async function receipt(s: AnySystem, jobId: string): Promise<void> {
  const deadline = performance.now() + 30_000;
  while ((await s.api<{ receivedAt: string | null }>(`/jobs/${jobId}`)).receivedAt === null)
    assert.ok(performance.now() < deadline, `job ${jobId} was not received`);
}

/** The stage of one case on a running system. `number` is counted up, and tells people and groups apart. */
export function stageOf(s: AnySystem, check: IndependentCheck, number: { people: number; groups: number }): Stage {
  return {
    s,
    check,
    person() {
      number.people += 1;
      return `u${String(number.people).padStart(4, '0')}`;
    },
    async group(...standing) {
      number.groups += 1;
      const cn = `case-${number.groups}`;
      const objectClass = s.ldap.flavour === 'active-directory' ? 'group' : 'groupOfNames';
      const entry = groupEntry(cn, { objectClass, members: standing.map(s.person), beneath: s.ldap.groupsScope });
      await s.ldap.modify(entry.replace('\n', '\nchangetype: add\n'));
      for (const uid of standing) check.byHand({ group: s.group(cn), add: s.person(uid) });
      return cn;
    },
    async post(fields, ...allowed) {
      const job = { jobId: randomUUID(), issuedAt: new Date().toISOString(), ...fields };
      const posted: Posted = { jobId: job.jobId, job, allowed, repeats: 0 };
      check.posted.push(posted);
      await s.job(job);
      return posted;
    },
  };
}
