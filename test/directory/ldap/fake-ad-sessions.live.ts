import assert from 'node:assert/strict';
import { after, afterEach, before, suite, test } from 'node:test';
import { type FakeAd, refusing, startFakeAd } from '../../support/fake-ad.ts';
import { adDirectory, addPerson, addTeam, failureOf, requestsOf, upDirectory, whyDown } from '../../support/fake-ad-directory.ts';
import { AD_RESULTS, bindRefused } from '../../support/fake-ad-results.ts';
import { realClock, simpleBind, untilState } from '../../support/ldap-directory-under-test.ts';
import { until } from '../../support/system.ts';

const signal = new AbortController().signal;

/** What each sub-code of 49 means, in words that are in the advice. */
const ADVICE: Readonly<Record<string, RegExp>> = {
  '525': /no such account/,
  '52e': /password is wrong/,
  '530': /at this time/,
  '531': /this machine/,
  '532': /password has expired/,
  '533': /is disabled/,
  '701': /account has expired/,
  '773': /must be changed/,
  '775': /is locked/,
};

suite('sessions with Active Directory', { timeout: 60_000 }, () => {
  let ad: FakeAd;
  before(async () => {
    ad = await startFakeAd();
  });
  afterEach(() => ad.mend());
  after(() => ad.close());

  test('the account binds by its DN, its user principal name and its name in the domain', async () => {
    for (const name of [ad.connectorDn, ad.principalName, ad.downLevelName]) {
      const from = ad.requests.length;
      await using directory = await upDirectory(ad, { bind: simpleBind(name, ad.connectorPassword) });
      assert.deepEqual(
        requestsOf(ad, 'bind', from).map((bind) => bind.name),
        [name],
      );
      assert.equal(directory.status().state, 'up');
    }
  });

  for (const whoAmI of ['account', 'not_supported'] as const) {
    test(`the account is proved where Who am I? is ${whoAmI === 'account' ? 'answered by a name that is no DN' : 'not known'}`, async () => {
      ad.traits.whoAmI = whoAmI;
      await using directory = await upDirectory(ad);
      assert.equal(directory.status().state, 'up');
    });
  }

  test('a server that takes us for another, or for nobody, is not used', async () => {
    ad.traits.takesUsFor = 'another';
    await using another = await adDirectory(ad);
    const taken = whyDown(another);
    another.start();
    assert.match((await taken).message, /takes us for another/);
    ad.mend();
    for (const whoAmI of ['account', 'not_supported'] as const) {
      ad.traits.whoAmI = whoAmI;
      // A success that is nobody's, as an empty password gets it.
      ad.every('bind', refusing({ code: 0 }));
      await using nobody = await adDirectory(ad);
      const refused = whyDown(nobody);
      nobody.start();
      const error = await refused;
      assert.equal(error.fault, 'unavailable');
      assert.match(error.message, whoAmI === 'account' ? /takes us for nobody/ : /does not show that entry/);
    }
  });

  for (const subCode of Object.keys(ADVICE)) {
    test(`a bind refused with ${subCode} says what to do, and the password is tried once`, async () => {
      const from = ad.requests.length;
      ad.traits.refusesBinds = subCode;
      await using directory = await adDirectory(ad);
      const refused = whyDown(directory);
      directory.start();
      const error = await refused;
      assert.deepEqual([error.fault, error.ldap?.resultCode], ['bind_refused', 49]);
      for (const [other, words] of Object.entries(ADVICE)) assert.equal(words.test(error.message), other === subCode, other);
      assert.match((await directory.check(signal)).at(-1)?.detail ?? '', /is not tried again before/);
      await assert.rejects(directory.groupsNamed('any', signal), { fault: 'bind_refused' });
      assert.equal(requestsOf(ad, 'bind', from).length, 1);
    });
  }

  test('a sub-code that nobody knows, or none, is a refused password all the same', async () => {
    for (const result of [bindRefused('fff'), { code: 49 }]) {
      ad.every('bind', refusing(result));
      await using directory = await adDirectory(ad);
      const refused = whyDown(directory);
      directory.start();
      assert.equal((await refused).fault, 'bind_refused');
    }
  });

  test('a password that expires while a connection is open is met at the next bind, and a new one is used at once', async () => {
    let password = ad.connectorPassword;
    await using directory = await upDirectory(ad, { bind: simpleBind(ad.connectorDn, () => password) });
    ad.traits.refusesBinds = '532';
    const person = addPerson(ad, 'expiring');
    assert.equal((await directory.locateUser(person.id, signal))?.id, person.id);
    const from = ad.requests.length;
    ad.hangUpAll();
    await until('the bind to be refused', async () => {
      const status = directory.status();
      return status.state === 'down' && status.error.fault === 'bind_refused';
    });
    const error = await failureOf(directory.locateUser(person.id, signal));
    assert.equal(error.fault, 'bind_refused');
    assert.match(error.message, /password has expired/);
    assert.equal(requestsOf(ad, 'bind', from).length, 1);
    password = 'N3w-one-of-the-account';
    ad.setPassword(password);
    ad.traits.refusesBinds = null;
    await untilState(directory, 'up');
    assert.equal((await directory.locateUser(person.id, signal))?.id, person.id);
    assert.equal(requestsOf(ad, 'bind', from).length, 2);
  });

  test('a session that is no longer taken for our account is given up for a new one, and nothing is concluded from it', async () => {
    let agedMs = 0;
    const clock = { ...realClock, monotonicMs: () => realClock.monotonicMs() + agedMs };
    await using directory = await upDirectory(ad, { clock });
    const person = addPerson(ad, 'forgotten');
    const group = addTeam(ad, 'forgotten-group', [person.dn]).dn;
    const probed = { group, attribute: 'member', values: [person.dn] } as const;
    ad.forgetBinds();
    assert.equal((await failureOf(directory.locateUser(person.id, signal))).ldap?.resultCode, 1);
    assert.deepEqual(await directory.probe(probed, signal), ['unknown']);
    const from = ad.requests.length;
    agedMs = 10 * 60_000;
    await failureOf(directory.locateUser(person.id, signal));
    await untilState(directory, 'up');
    assert.equal((await directory.locateUser(person.id, signal))?.id, person.id);
    assert.deepEqual(await directory.probe(probed, signal), ['member']);
    assert.equal(requestsOf(ad, 'bind', from).length, 1);
  });

  test('a notice of disconnection is told, and followed by a new session', async () => {
    await using directory = await upDirectory(ad);
    const down = whyDown(directory);
    ad.disconnectAll(AD_RESULTS.goingDown);
    const error = await down;
    assert.equal(error.fault, 'unavailable');
    assert.match(error.message, /52 \(unavailable\): 00002085: /);
    await untilState(directory, 'up');
    assert.deepEqual(await directory.groupsNamed('nothing', signal), []);
  });

  for (const applied of [true, false]) {
    test(`a modify that a notice of disconnection comes instead of the answer to, and was ${applied ? '' : 'not '}done, is unknown until it is probed`, async () => {
      await using directory = await upDirectory(ad);
      const person = addPerson(ad, `interrupted-${applied}`).dn;
      const group = addTeam(ad, `interrupted-group-${applied}`).dn;
      void ad.next('modify', ({ answer, disconnect }) => {
        if (applied) answer();
        disconnect(AD_RESULTS.goingDown);
      });
      const down = whyDown(directory);
      const error = await failureOf(directory.change({ group, attribute: 'member', add: [person], remove: [] }, [person]));
      assert.deepEqual([error.fault, error.sent], ['unavailable', true]);
      assert.match(error.message, /00002085/);
      await down;
      await untilState(directory, 'up');
      const presences = await directory.probe({ group, attribute: 'member', values: [person] }, signal);
      assert.deepEqual(presences, [applied ? 'member' : 'absent']);
    });
  }

  test('a search in flight at a notice of disconnection finds out nothing', async () => {
    await using directory = await upDirectory(ad);
    const person = addPerson(ad, 'sought');
    void ad.next('search', ({ disconnect }) => disconnect(AD_RESULTS.goingDown));
    const error = await failureOf(directory.locateUser(person.id, signal));
    assert.deepEqual([error.fault, error.sent], ['unavailable', false]);
  });

  test('an answer that comes too late ends the session, and is never taken for that of another request', async () => {
    await using directory = await upDirectory(ad, { readTimeoutMs: 500 });
    const [person, other] = [addPerson(ad, 'slow'), addPerson(ad, 'quick')];
    const group = addTeam(ad, 'slow-group', [other.dn]).dn;
    const late: (() => void)[] = [];
    void ad.next('modify', ({ answer, send }) => {
      const messages = answer();
      late.push(() => send(messages));
    });
    const down = whyDown(directory);
    const error = await failureOf(directory.change({ group, attribute: 'member', add: [person.dn], remove: [] }, [person.dn]));
    assert.deepEqual([error.fault, error.sent], ['unavailable', true]);
    assert.match(error.message, /did not answer in time/);
    await down;
    await untilState(directory, 'up');
    for (const send of late) send();
    const values = [person.dn, other.dn, ad.connectorDn];
    assert.deepEqual(await directory.probe({ group, attribute: 'member', values }, signal), ['member', 'member', 'absent']);
  });

  test('a busy domain controller is asked again later: nothing is concluded', async () => {
    await using directory = await upDirectory(ad);
    const person = addPerson(ad, 'waiting');
    for (const result of [AD_RESULTS.busy, AD_RESULTS.goingDown]) {
      void ad.next('search', refusing(result));
      assert.equal((await failureOf(directory.locateUser(person.id, signal))).fault, 'busy');
    }
    assert.equal((await directory.locateUser(person.id, signal))?.id, person.id);
  });
});
