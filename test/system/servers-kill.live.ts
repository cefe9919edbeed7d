import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type Kill, type KillSystem, killCase, killsOf, startKillSystem } from '../support/kill-cases.ts';
import { SCENARIOS } from '../support/kill-scenarios.ts';
import { type KnownDirectory, PLAIN_389, PLAIN_OPENLDAP, SAMBA_AD } from '../support/known-directories.ts';
import { envelopeOf, REQUEST } from '../support/ldap-messages.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import type { Place } from '../support/ldap-strikes.ts';
import { atScale, FULL_SCALE } from '../support/scale.ts';
import { startSystemOn } from '../support/system.ts';
import { byHand } from '../support/told.ts';

/** Around the modify, of which the two that are within it have no name in the code: the proxy sees them pass. */
const AROUND_THE_MODIFY = /^(grant|end)\.(intent-stored|modify-answered|probed-after|claimed)$/;
const CHANGING = SCENARIOS.filter(({ title }) => ['a grant', 'a revoke', 'an expiry'].includes(title));
const SAMPLE = killsOf(CHANGING).filter(({ at }) => AROUND_THE_MODIFY.test(at));
/** Neither of these servers demands a member of a group. */
const ALL = killsOf(SCENARIOS.filter(({ demandsMember }) => demandsMember !== true));

const isModify = (request: Buffer): boolean => envelopeOf(request).tag === REQUEST.modify;
const WITHIN_THE_MODIFY: readonly { readonly when: string; readonly place: Place }[] = [
  { when: 'its modify was handed over and is lost', place: { at: 'request', of: isModify } },
  { when: 'its modify was sent and the answer is on its way', place: { at: 'answer', of: isModify } },
];

function suiteOn({ name, start }: KnownDirectory, kills: readonly Kill[]): void {
  suite(`a connector killed around the modify, on ${name}`, { concurrency: false }, () => {
    let k: KillSystem;
    let proxy: LdapProxy;

    before(async () => {
      const s = await startSystemOn(await start(atScale({ sample: 30, full: 300 })), { env: { LATCHKEY_LOG_LEVEL: 'info' } });
      proxy = await startLdapProxy(s.ldap);
      k = await startKillSystem(s, { LDAP_URL: proxy.url });
    });
    after(async () => {
      await k.s[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    });

    test('the checker objects to a member whom nobody put there, and to one who is missing', async () => {
      const { s, check, stage } = k;
      const { person, group } = stage();
      const [leaked, stolen] = [person(), person()];
      const dn = s.group(await group('amara', stolen));
      await byHand(s, { group: dn, add: s.person(leaked) });
      await byHand(s, { group: dn, delete: s.person(stolen) });
      // It tells names in lower case.
      const [whom, missing, where] = [s.person(leaked), s.person(stolen), dn].map((one) => one.toLowerCase());
      assert.deepEqual(await check.findings(), [`LEAK: ${whom} is in ${where}`, `THEFT: ${missing} is missing from ${where}`]);
      await byHand(s, { group: dn, delete: s.person(leaked) });
      await byHand(s, { group: dn, add: s.person(stolen) });
      await check.assertAllIsRight();
    });

    for (const kill of kills) killCase(kill, () => k);

    for (const { title, arrange } of CHANGING) {
      for (const { when, place } of WITHIN_THE_MODIFY) {
        test(`${title}, killed when ${when}`, async () => {
          const { act } = await arrange(k.stage());
          const struck = proxy.strike({ place, fault: 'drop' });
          await act();
          await struck.met;
          await k.s.stopConnector('SIGKILL');
          await k.startReady();
          await k.check.assertAllIsRight();
        });
      }
    }
  });
}

// At the other places it is killed by the crash tables and in kill-points.
suiteOn(PLAIN_OPENLDAP, []);
for (const directory of [PLAIN_389, SAMBA_AD]) suiteOn(directory, FULL_SCALE ? ALL : SAMPLE);
