import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Clock } from '../../../src/access/clock.ts';
import { instant, later } from '../../../src/access/instant.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { type BindGate, type BindRefusal, bindGate } from '../../../src/directory/ldap/bind-refusal.ts';
import type { Credential } from '../../../src/directory/ldap/credential.ts';
import { acceptedBind, directoryGate } from '../../../src/directory/ldap/open-ldap-directory.ts';
import { dn } from '../../support/ldap-directory-under-test.ts';

const waitMs = 900_000;

function gateAt(start: number) {
  let now = instant(start);
  let kept: BindRefusal | null = null;
  const clock: Clock = { wall: () => now, monotonicMs: () => now, timer: () => () => undefined };
  const refusals = {
    load: async () => kept,
    save: async (refusal: BindRefusal | null) => {
      kept = refusal;
    },
  };
  const open = () => bindGate({ refusals, waitMs, account: 'cn=latchkey,dc=test', clock });
  return {
    open,
    refusals,
    clock,
    kept: () => kept,
    pass: (ms: number) => {
      now = later(now, ms);
    },
  };
}

const of = (password: string): Credential => ({ simple: { name: 'cn=latchkey', password }, certificate: null, mark: password });
const tried = (gate: BindGate, password: string) => gate.open(of(password), async () => undefined);

test('what was accepted is taken over by the next gate of the same servers and account, and by no other', async () => {
  const password = async () => ({ reveal: () => 'unused' });
  const bind = {
    mechanism: 'simple',
    name: { form: 'dn', text: 'cn=latchkey', dn: dn('cn=latchkey') } as const,
    password,
  } as const;
  const where = { url: 'ldaps://one', startTls: false, ca: null, pins: [], bind };
  const { refusals, clock } = gateAt(1_000_000);
  const means = { ...where, bindRefusals: refusals, clock };
  const first = directoryGate(means);
  assert.equal(acceptedBind(first, where), null);
  await first.accepted(of('spring'));
  const before = acceptedBind(first, where);
  assert.equal(directoryGate(means, before).lastAccepted()?.mark, 'spring');
  const others = [
    { url: 'ldap://one' },
    { url: 'ldaps://one ldaps://two' },
    { startTls: true },
    { ca: 'another authority' },
    { bind: { ...bind, name: { form: 'dn', text: 'cn=other', dn: dn('cn=other') } as const } },
  ];
  for (const other of others) assert.equal(directoryGate({ ...means, ...other }, before).lastAccepted(), null);
});

suite('a refused bind', () => {
  test('of two who come at once with a password that nobody has tried, one tries it', async () => {
    const gate = gateAt(1_000_000).open();
    let binds = 0;
    const refused = async () => {
      binds += 1;
      await gate.refused(of('old'));
      throw new DirectoryError('bind_refused', 'invalid credentials');
    };
    const both = await Promise.allSettled([gate.open(of('old'), refused), gate.open(of('old'), refused)]);
    assert.deepEqual([both.map(({ status }) => status), binds], [['rejected', 'rejected'], 1]);
  });

  test('while one waits, what the directory said of it is still the reason that is told', async () => {
    const gate = gateAt(1_000_000).open();
    const refused = async () => {
      await gate.refused(of('old'));
      throw new DirectoryError('bind_refused', 'The password has expired.');
    };
    await assert.rejects(gate.open(of('old'), refused), { message: 'The password has expired.' });
    await assert.rejects(
      tried(gate, 'old'),
      /^DirectoryError: The password has expired\. That was at 1970-.*not tried again before/,
    );
  });

  test('the refused password waits, another does not, and the wait ends', async () => {
    const world = gateAt(1_000_000);
    const gate = world.open();
    await tried(gate, 'old');
    await gate.refused(of('old'));
    await assert.rejects(tried(gate, 'old'), { fault: 'bind_refused' });
    await tried(gate, 'new');
    world.pass(waitMs - 1);
    await assert.rejects(tried(gate, 'old'), { fault: 'bind_refused' });
    world.pass(1);
    await tried(gate, 'old');
  });

  test('the next process waits too', async () => {
    const world = gateAt(1_000_000);
    await world.open().refused(of('old'));
    await assert.rejects(tried(world.open(), 'old'), { fault: 'bind_refused' });
    await tried(world.open(), 'new');
  });

  test('what is kept does not hold the password, and goes with the next success', async () => {
    const world = gateAt(1_000_000);
    const gate = world.open();
    await gate.refused(of('hunter2'));
    assert.match(world.kept()?.fingerprint ?? '', /^[0-9a-f]{4}$/);
    await gate.accepted(of('hunter3'));
    assert.equal(world.kept(), null);
  });

  test('a clock that was stepped back does not prolong the wait', async () => {
    const world = gateAt(10_000_000);
    const gate = world.open();
    await gate.refused(of('old'));
    world.pass(-5_000_000);
    await assert.rejects(tried(gate, 'old'), { fault: 'bind_refused' });
    world.pass(waitMs);
    await tried(gate, 'old');
  });
});
