import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { SyncRecord } from '../../src/access/sync.ts';
import { extraPerson } from '../support/extra-people.ts';
import { runCommand } from '../support/program.ts';
import { atScale } from '../support/scale.ts';
import { seeded, seedOf } from '../support/seeded.ts';
import { runningConnector } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';

const TIMES = atScale({ sample: 4, full: 60 });
/** Some milliseconds more than a sync of this directory takes. */
const SYNC_MS = 60;

suite('a connector that is killed in a sync', () => {
  let s: System;
  before(async () => {
    s = await startSystem({ ldap: { people: 600 } });
    await s.startStub();
  });
  after(() => s[Symbol.asyncDispose]());

  const sync = async (mode: 'full' | 'delta') =>
    (await s.api<{ jobId: string }>('/syncs', { method: 'POST', body: { mode } })).jobId;

  /** What the directory has, by a read that has nothing to do with what was told. */
  async function inDirectory(): Promise<ReadonlyMap<string, string | undefined>> {
    const path = join(s.folder, 'records.ndjson');
    const { code, stderr } = await runCommand({ args: ['sync', '--out', path], env: s.connectorEnv(), cwd: s.folder });
    assert.equal(code, 0, stderr);
    const records = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SyncRecord);
    return new Map(records.flatMap((record) => (record.record === 'user' ? [[record.id, record.fullName] as const] : [])));
  }

  async function inPicture(): Promise<ReadonlyMap<string, string | undefined>> {
    const users = await s.api<{ id: string; fullName?: string }[]>('/users?limit=10000');
    return new Map(users.map(({ id, fullName }) => [id, fullName]));
  }

  test('leaves a picture that was whole at some time, and tells what is missing when it is back', async () => {
    const random = seeded(seedOf(11));
    const states = [new Map() as ReadonlyMap<string, string | undefined>];
    for (let round = 1; round <= TIMES; round += 1) {
      // While nobody reads: what is read in the middle of two changes is no state of the directory, and is made good by the next delta.
      const changed = extraPerson(1 + Math.floor(random() * 500));
      const gone = extraPerson(501 + round);
      await s.ldap.modify(
        `dn: ${s.person(changed)}\nchangetype: modify\nreplace: cn\ncn: Renamed ${round}\n\ndn: ${s.person(gone)}\nchangetype: delete\n`,
      );
      states.push(await inDirectory());
      const connector = await s.startConnector();
      await sync(random() < 0.5 ? 'full' : 'delta');
      await connector.line((line) => line.includes('"sync.started"'));
      await new Promise((resolve) => setTimeout(resolve, random() * SYNC_MS));
      await s.stopConnector('SIGKILL');
      const picture = await inPicture();
      assert.ok(
        states.some((state) => sameEntries(state, picture)),
        `a picture of ${picture.size} users that never was`,
      );
    }
    await s.startConnector();
    assert.equal((await s.outcome(await sync('delta'))).kind, 'job.succeeded');
    assert.deepEqual(await inPicture(), states.at(-1));
    assert.deepEqual(await s.violations(), []);
    assert.ok(runningConnector(s).pid > 0);
  });
});

function sameEntries(one: ReadonlyMap<string, unknown>, other: ReadonlyMap<string, unknown>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}
