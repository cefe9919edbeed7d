import { randomUUID } from 'node:crypto';
import type { GrantId, JobId } from '../../src/access/ids.ts';
import { type Instant, instant, later } from '../../src/access/instant.ts';
import type { Pair } from '../../src/access/reference.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';

export const CONNECTOR_ID = 'connector-under-bench';

/** A grant that is active already. */
export interface FilledGrant {
  readonly pair: Pair;
  readonly expiresAt: Instant;
}

/** Written at a time: enough to fill commits, few enough for the memory. */
const AT_ONCE = 2_000;

/**
 * Makes a ledger as the connector leaves it after granting: of each grant a settled job, a closed intent, a period and the
 * audit trail; every event acknowledged. Returns the ids of the grants, in order.
 */
export async function fillLedger(stateDir: string, grants: readonly FilledGrant[]): Promise<readonly GrantId[]> {
  const ledger = await openSqliteLedger({
    stateDir,
    connectorId: CONNECTOR_ID,
    defaultConnectorId: CONNECTOR_ID,
    now: () => instant(Date.now()),
  });
  try {
    const ids: GrantId[] = [];
    for (let from = 0; from < grants.length; from += AT_ONCE)
      ids.push(...(await Promise.all(grants.slice(from, from + AT_ONCE).map((grant) => write(ledger, grant)))));
    const { nextSeq } = await ledger.identity();
    if (nextSeq > 1) await ledger.acknowledge(nextSeq - 1);
    return ids;
  } finally {
    await ledger.close();
  }
}

async function write(ledger: Ledger, { pair, expiresAt }: FilledGrant): Promise<GrantId> {
  const grantId = randomUUID() as GrantId;
  const jobId = randomUUID() as JobId;
  const at = later(instant(Date.now()), -3_600_000);
  const end = { kind: 'at', expiresAt } as const;
  const job = {
    kind: 'grant',
    jobId,
    grantId,
    issuedAt: at,
    user: { by: 'id', id: pair.user.id },
    group: { by: 'id', id: pair.group.id },
    end,
  } as const;
  const values = [pair.user.dn];
  const memberAttribute = 'member';
  const active = { state: 'active', grantId, pair, standing: false, activatedAt: at, expiresAt } as const;
  // Queued in this order, which is the order of their writing: nothing has to be waited for between them.
  const stored = ledger.storeJob(
    { jobId, hash: 'ab'.repeat(32), job, receivedAt: at, traceparent: null, grantId: null },
    { at, audit: [{ kind: 'job.accepted', at, jobId, facts: { job } }] },
  );
  const pending = ledger.savePending({ state: 'pending', grantId, pair, end, deadline: later(at, 900_000) }, [jobId], {
    at,
    audit: [{ kind: 'grant.pending', at, jobId, grantId, facts: { end } }],
  });
  const intent = await ledger.openIntent(
    { kind: 'add', grantId, pair, memberAttribute, values, preImage: 'absent', placeholder: null, at },
    { period: null, replaces: null },
    { at, audit: [{ kind: 'intent.opened', at, grantId, pair, facts: { kind: 'add', values } }] },
  );
  await ledger.activate(
    {
      grant: active,
      period: {
        pair,
        standing: false,
        heldSince: at,
        memberAttribute,
        values,
        metValues: [],
        seenAbsent: false,
        deleteSent: false,
      },
      intentId: intent.intentId,
      placeholder: null,
    },
    {
      at,
      results: [{ kind: 'job.succeeded', jobId, outcome: 'granted' }],
      audit: [{ kind: 'grant.activated', at, jobId, grantId, pair, facts: { expiresAt } }],
    },
  );
  await Promise.all([stored, pending]);
  return grantId;
}
