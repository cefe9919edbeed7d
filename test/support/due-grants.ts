import { parseDn } from '../../src/access/dn.ts';
import { type EntryId, parseEntryId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';
import type { EntryRef } from '../../src/access/reference.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open-sqlite-ledger.ts';
import { memoryLogger } from './ldap-directory-under-test.ts';
import type { System } from './system.ts';

/** An entry as the ledger knows it, by the independent client. */
export async function entryRef(s: System, dn: string): Promise<EntryRef> {
  const [entry] = await s.ldap.search({ base: dn, scope: 'base', filter: '(objectClass=*)', attributes: ['entryUUID'] });
  return refOf(dn, entry?.attributes.get('entryuuid')?.[0]);
}

/** The generated people, in order. */
export async function peopleRefs(s: System): Promise<readonly EntryRef[]> {
  const refs: EntryRef[] = [];
  // The server gives 500 entries at a time, and the first digits of the names part them.
  for (let hundred = 0; hundred <= 10; hundred += 1) {
    const filter = `(uid=u${String(hundred).padStart(2, '0')}*)`;
    const entries = await s.ldap.search({ base: s.ldap.usersScope, scope: 'sub', filter, attributes: ['entryUUID'] });
    refs.push(...entries.map((entry) => refOf(entry.dn, entry.attributes.get('entryuuid')?.[0])));
  }
  return refs.toSorted((one, other) => one.dn.localeCompare(other.dn));
}

function refOf(dn: string, uuid: string | undefined): EntryRef {
  const name = parseDn(dn);
  const id = parseEntryId(uuid ?? '');
  if (!name.ok || !id.ok) throw new Error(`there is no entry "${dn}"`);
  return { id: id.value satisfies EntryId, dn: name.value };
}

/**
 * Writes into the ledger of a connector that does not run: each of these users was granted the group and is due since a
 * second. Whoever calls it has put them into the group.
 */
export async function writeDueGrants(
  s: System,
  { group, users, prefix, dueInMs = -1000 }: { group: EntryRef; users: readonly EntryRef[]; prefix: string; dueInMs?: number },
): Promise<readonly string[]> {
  const ledger = await openSqliteLedger({
    stateDir: s.stateDir,
    connectorId: 'connector-under-test',
    defaultConnectorId: 'connector-under-test',
    now: () => instant(Date.now()),
    logger: memoryLogger().logger,
  });
  const at = instant(Date.now() - 60_000);
  const expiresAt = instant(Date.now() + dueInMs);
  const ids = users.map((_, i) => `${prefix}-${i}`);
  await Promise.all(
    users.map((user, i) => {
      const pair = { user, group };
      const period = {
        pair,
        standing: false,
        heldSince: at,
        memberAttribute: 'member',
        values: [user.dn],
        metValues: [],
        seenAbsent: false,
        deleteSent: false,
      } as const;
      const grant = { state: 'active', grantId: ids[i] as never, pair, standing: false, activatedAt: at, expiresAt } as const;
      return ledger.activate({ grant, period, intentId: null, placeholder: null }, { at, audit: [] });
    }),
  );
  await ledger.close();
  return ids;
}
