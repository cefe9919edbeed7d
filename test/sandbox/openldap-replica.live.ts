import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { type OpenLdap, startOpenLdap } from '../../src/sandbox/openldap.ts';
import { type OpenLdapReplica, startOpenLdapReplica } from '../../src/sandbox/openldap-replica.ts';
import { commandsOfConnector } from '../support/commands-of-connector.ts';
import { change, everything } from './throw-away-directory-tests.ts';

suite('a replica', () => {
  let provider: OpenLdap;
  let replica: OpenLdapReplica;
  before(async () => {
    provider = await startOpenLdap({ replicated: true, people: 600 });
    replica = await startOpenLdapReplica(provider);
  });
  after(async () => {
    await replica.stop();
    await provider.stop();
  });

  test('has what the provider has', async () => {
    const ids = async (server: OpenLdap) => {
      const search = { base: server.baseDn, scope: 'sub', filter: everything, attributes: ['entryUUID'] } as const;
      const found = await server.search(search);
      return found.map(({ dn, attributes }) => `${attributes.get('entryuuid')?.[0]} ${dn}`).toSorted();
    };
    const here = await ids(provider);
    assert.equal(here.length, 644);
    assert.deepEqual(await ids(replica), here);
    const engineering = provider.groupDn('engineering');
    assert.deepEqual(await replica.members(engineering), await provider.members(engineering));
  });

  test('answers a change with a referral to the provider, whoever asks for it', async () => {
    const add = change(replica.groupDn('on-call'), `add: member\nmember: ${replica.personDn('grace')}`);
    const referred = new RegExp(`ended with 10:.*${provider.ldapsUrl}`, 's');
    const connector = await commandsOfConnector(replica, replica.ldapsUrl);
    await assert.rejects(connector.modify(add), referred);
    await assert.rejects(replica.modify(add), referred);
    assert.equal((await provider.members(provider.groupDn('on-call'))).length, 2);
  });

  test('follows what changes on the provider, also what it has missed while it was away', async () => {
    const onCall = provider.groupDn('on-call');
    await provider.modify(change(onCall, `add: member\nmember: ${provider.personDn('uma')}`));
    await replica.caughtUp();
    assert.equal((await replica.members(onCall)).length, 3);
    await replica.kill('SIGKILL');
    await provider.modify(change(onCall, `delete: member\nmember: ${provider.personDn('uma')}`));
    await replica.start();
    await replica.caughtUp();
    assert.equal((await replica.members(onCall)).length, 2);
  });

  test('leaves no folder when it is stopped', async () => {
    await replica.stop();
    assert.equal(existsSync(replica.dir), false);
    assert.notEqual(provider.pid, undefined);
  });
});
