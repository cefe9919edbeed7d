import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { type OpenLdapReplica, startOpenLdapReplica } from '../../src/sandbox/openldap-replica.ts';
import { record } from '../support/ldif-admin.ts';
import { hearing, ldapReader, readAll } from '../support/read-directory.ts';

const never = new AbortController().signal;

suite('a delta that is followed up after another server has taken over', () => {
  let provider: Awaited<ReturnType<typeof startOpenLdap>>;
  let replica: OpenLdapReplica;
  before(async () => {
    provider = await startOpenLdap({ replicated: true });
    replica = await startOpenLdapReplica(provider);
  });
  after(async () => {
    await replica.stop();
    await provider.stop();
  });

  test('makes a full read necessary: what that server has may be older than what was told', async () => {
    const ca = (await Promise.all([provider, replica].map(({ caFile }) => readFile(caFile, 'utf8')))).join('\n');
    const reader = await ldapReader(provider, { url: `${provider.ldapsUrl} ${replica.ldapsUrl}`, ca });
    const first = await readAll(reader);
    await replica.configModify(record('olcDatabase={1}mdb,cn=config', 'modify', [['delete', 'olcSyncrepl']]));
    const [person] = first.picture.users.values();
    assert.ok(person !== undefined);
    await provider.modify(
      record(person.dn, 'modify', [
        ['replace', 'mail'],
        ['mail', 'new@example.test'],
      ]),
    );
    const { sink, heard } = hearing();
    await reader.readChanges(first.end.cursor ?? '', sink, never);
    assert.deepEqual(heard.picture.users.get(person.id)?.emails, ['new@example.test']);
    const again = hearing();
    assert.equal(await reader.readUsers([person.id], again.sink, never), undefined);
    assert.deepEqual(again.heard.picture.users.get(person.id)?.emails, ['new@example.test']);
    await provider.kill('SIGKILL');
    const followed = hearing();
    const end = await reader.readUsers([person.id], followed.sink, never);
    assert.deepEqual([...followed.heard.picture.users.values()], []);
    assert.equal(end?.told, 'full_needed');
  });
});
