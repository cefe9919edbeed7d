import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dn } from '../../src/access/dn.ts';
import type { FailPoint } from '../../src/access/fail-point.ts';
import type { EntryId } from '../../src/access/ids.ts';
import type { EntryRef } from '../../src/access/reference.ts';
import { DirectoryError, type MembershipChange } from '../../src/directory/directory.ts';
import { gatheredDirectory } from '../../src/directory/gathered-directory.ts';
import { fakeDirectory } from '../support/fake-directory.ts';

const { signal } = new AbortController();
const KEEPER = 'uid=keeper,ou=people,dc=example,dc=test';
const GROUP = 'cn=big,ou=groups,dc=example,dc=test' as Dn;

const person = (number: number): Dn => `uid=u${number},ou=people,dc=example,dc=test` as Dn;
const people = (count: number): readonly Dn[] => Array.from({ length: count }, (_, i) => person(i));

async function microtasks(): Promise<void> {
  for (let left = 5; left > 0; left -= 1) await Promise.resolve();
}

function gathered(options: { members?: readonly string[] } = {}) {
  const fake = fakeDirectory();
  fake.goUp();
  fake.tree.add({ kind: 'group', dn: GROUP, name: 'big', attribute: 'member', values: [KEEPER, ...(options.members ?? [])] });
  const points: FailPoint[] = [];
  const directory = gatheredDirectory({ directory: fake.directory, failPoints: (point) => points.push(point), turn: microtasks });
  const change = (part: Partial<MembershipChange>, group = GROUP) => {
    const whole: MembershipChange = { group, attribute: 'member', add: [], remove: [], ...part };
    return directory.change(whole, [...whole.add, ...whole.remove]);
  };
  const sent = () =>
    fake.operations.filter(({ method }) => method === 'change').map(({ args: [first] }) => first as MembershipChange);
  return {
    fake,
    directory,
    points,
    sent,
    remove: (value: string) => change({ remove: [value] }),
    add: (value: string) => change({ add: [value] }),
    change,
    members: () => fake.tree.group(GROUP)?.values ?? [],
  };
}

describe('changes of one group', () => {
  test('that are due together go in one modify, and each caller gets its own presences', async () => {
    const { remove, sent, members } = gathered({ members: people(100) });
    const answers = await Promise.all(people(100).map(remove));
    assert.equal(sent().length, 1);
    assert.deepEqual(members(), [KEEPER]);
    for (const answer of answers) assert.deepEqual([answer.result, answer.presences], ['ok', ['absent']]);
  });

  test('go in modifies of 500 values at most', async () => {
    const { remove, sent } = gathered({ members: people(1200) });
    await Promise.all(people(1200).map(remove));
    assert.deepEqual(
      sent().map((one) => one.remove.length),
      [500, 500, 200],
    );
  });

  test('go in modifies that ldapts can write: long values fill one sooner', async () => {
    const long = Array.from({ length: 300 }, (_, i) => `uid=${'x'.repeat(400)}${i},ou=people,dc=example,dc=test` as Dn);
    const { remove, sent } = gathered({ members: long });
    await Promise.all(long.map(remove));
    for (const one of sent()) assert.ok(Buffer.byteLength(one.remove.join('')) < 48 * 1024);
    assert.ok(sent().length < 5);
  });

  test('that are asked for while one is under way go into the next', async () => {
    const { fake, remove, sent } = gathered({ members: people(50) });
    const held = fake.holdNext('change');
    const first = remove(person(0));
    await held.reached;
    const others = people(50).slice(1).map(remove);
    held.go();
    await Promise.all([first, ...others]);
    assert.deepEqual(
      sent().map((one) => one.remove.length),
      [1, 49],
    );
  });

  test('take access away before they give it, and never do both in one modify', async () => {
    const { add, remove, sent } = gathered({ members: people(2) });
    await Promise.all([add(person(7)), remove(person(0)), add(person(8)), remove(person(1))]);
    assert.deepEqual(
      sent().map((one) => [one.remove.length, one.add.length]),
      [
        [2, 0],
        [0, 2],
      ],
    );
  });

  test('that put something in and take something out go alone', async () => {
    const { change, remove, sent } = gathered({ members: people(3) });
    await Promise.all([change({ add: [person(9)], remove: [person(0)] }), remove(person(1)), remove(person(2))]);
    assert.deepEqual(
      sent().map((one) => [one.remove.length, one.add.length]),
      [
        [2, 0],
        [1, 1],
      ],
    );
  });

  test('have no part in those of other groups, and do not wait for them', async () => {
    const { fake, change, remove } = gathered({ members: people(1) });
    const other = 'cn=other,ou=groups,dc=example,dc=test' as Dn;
    fake.tree.add({ kind: 'group', dn: other, name: 'other', attribute: 'member', values: [KEEPER, person(0)] });
    const held = fake.holdNext('change');
    const waiting = remove(person(0));
    await held.reached;
    assert.equal((await change({ remove: [person(0)] }, other)).result, 'ok');
    held.go();
    await waiting;
  });

  test('that take access away begin before those that only give it, in whatever group', async () => {
    const { fake, change, sent } = gathered();
    const group = (number: number) => `cn=g${number},ou=groups,dc=example,dc=test` as Dn;
    for (let i = 0; i < 40; i += 1)
      fake.tree.add({ kind: 'group', dn: group(i), name: `g${i}`, attribute: 'member', values: [KEEPER, person(1)] });
    const given = Array.from({ length: 39 }, (_, i) => change({ add: [person(0)] }, group(i)));
    await Promise.all([...given, change({ remove: [person(1)] }, group(39))]);
    const place = sent().findIndex(({ remove }) => remove.length > 0);
    assert.ok(place <= 12, `it was number ${place + 1}`);
  });

  test('go together again at once when the directory is back, however often they were not sent', async () => {
    const { fake, remove, sent } = gathered({ members: people(100) });
    fake.goDown();
    for (let i = 0; i < 5; i += 1) await Promise.allSettled(people(100).map(remove));
    fake.goUp();
    const before = sent().length;
    await Promise.all(people(100).map(remove));
    assert.equal(sent().length - before, 1);
  });
});

describe('a batch that is refused', () => {
  test('is done without those whom somebody else has seen to, and each is answered by what a probe saw', async () => {
    const { fake, remove, sent, members, points } = gathered({ members: people(500) });
    fake.tree.apply({ group: GROUP, attribute: 'member', add: [], remove: [person(123)] });
    const answers = await Promise.all(people(500).map(remove));
    assert.deepEqual(members(), [KEEPER]);
    for (const { presences } of answers) assert.deepEqual(presences, ['absent']);
    assert.equal(answers[123]?.result, 'already_absent');
    assert.equal(answers[124]?.result, 'ok');
    assert.equal(sent().length, 2);
    assert.deepEqual(points, ['batch.refused']);
  });

  test('is split down to the one change that is to blame, which alone gets the refusal', async () => {
    const { fake, remove, members, points } = gathered({ members: people(64) });
    fake.tree.apply({ group: GROUP, attribute: 'member', add: [], remove: [KEEPER] });
    const answers = await Promise.all(people(64).map(remove));
    assert.deepEqual(members(), [person(63)]);
    assert.deepEqual(
      answers.filter(({ result }) => result !== 'ok').map(({ result, presences }) => [result, presences]),
      [['last_member', ['member']]],
    );
    assert.ok(points.includes('batch.split'));
  });

  test('of additions tells those apart who were members already', async () => {
    const { fake, add } = gathered();
    fake.tree.apply({ group: GROUP, attribute: 'member', add: [person(1)], remove: [] });
    const answers = await Promise.all([add(person(0)), add(person(1)), add(person(2))]);
    assert.deepEqual(
      answers.map(({ result, presences }) => [result, presences]),
      [
        ['ok', ['member']],
        ['already_there', ['member']],
        ['ok', ['member']],
      ],
    );
  });

  test('a value that comes twice is written once, and both callers are told', async () => {
    const { remove, sent } = gathered({ members: people(1) });
    const answers = await Promise.all([remove(person(0)), remove(person(0).replace('uid=', 'UID='))]);
    assert.equal(sent().length, 1);
    for (const answer of answers) assert.deepEqual([answer.result, answer.presences], ['ok', ['absent']]);
  });
});

describe('a batch whose answer is lost', () => {
  test('is unknown to each that was in it, and is asked for in smaller parts from then on', async () => {
    const { fake, remove, sent, members } = gathered({ members: people(400) });
    fake.loseNextAnswer('not_applied');
    const lost = await Promise.allSettled(people(400).map(remove));
    for (const one of lost) assert.ok(one.status === 'rejected' && one.reason instanceof DirectoryError && one.reason.sent);
    await Promise.all(people(400).map(remove));
    assert.deepEqual(members(), [KEEPER]);
    assert.deepEqual(
      sent().map((one) => one.remove.length),
      [400, 200, 200],
    );
  });

  test('half of a split concerns nobody in the other half', async () => {
    const { fake, remove, members, sent } = gathered({ members: people(4) });
    fake.refuseNext('busy');
    const held = fake.holdNext('change');
    const asked = people(4).map(remove);
    await held.reached;
    const second = fake.holdNext('change');
    held.go();
    await second.reached;
    fake.loseNextAnswer('applied');
    second.go();
    const answers = await Promise.allSettled(asked);
    assert.deepEqual(
      answers.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled', 'fulfilled'],
    );
    assert.deepEqual(members(), [KEEPER]);
    assert.equal(sent().length, 3);
  });
});

describe('questions', () => {
  test('about one group are asked in one probe, and each caller gets its own presences', async () => {
    const { fake, directory } = gathered({ members: [person(1)] });
    const ask = (values: readonly string[]) =>
      directory.probe({ group: GROUP, attribute: 'member', values, likely: 'member' }, signal);
    const answers = await Promise.all([ask([person(0)]), ask([person(1), person(2)]), ask([])]);
    assert.deepEqual(answers, [['absent'], ['member', 'absent'], []]);
    assert.equal(fake.operations.filter(({ method }) => method === 'probe').length, 1);
  });

  test('users are located together, and one that is not there is null for its own caller alone', async () => {
    const { fake, directory } = gathered();
    const ids = people(150).map((dn, i) => fake.tree.add({ kind: 'user', dn, uids: [`u${i}`] }));
    fake.tree.delete(person(3));
    const found = await Promise.all(ids.map((id) => directory.locateUser(id, signal)));
    assert.deepEqual(
      found.map((user) => user?.dn ?? null),
      people(150).map((dn, i) => (i === 3 ? null : dn)),
    );
    const sizes = fake.operations.filter(({ method }) => method === 'locateUsers').map(({ args: [asked] }) => asked as unknown[]);
    assert.deepEqual(
      sizes.map(({ length }) => length),
      [100, 50],
    );
  });

  test('a group that many name alike is looked for once, and another name is another question', async () => {
    const { fake, directory } = gathered();
    const named = (name: string, own: EntryRef | null = null) => directory.findGroup({ by: 'name', name }, own, signal);
    const found = await Promise.all([
      named('big'),
      named('none'),
      named('big'),
      named('big', { id: person(1) as never, dn: GROUP }),
    ]);
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['found', 'not_found', 'found', 'found'],
    );
    assert.equal(fake.operations.filter(({ method }) => method === 'findGroup').length, 3);
  });

  test('a refusal of what many ask alike is asked once, and told to each', async () => {
    const { fake, directory } = gathered();
    let asked = 0;
    fake.directory.protectorOf = async () => {
      asked += 1;
      throw new DirectoryError('busy', 'It took too long.');
    };
    const question = { group: { id: 'an-id' as EntryId, dn: GROUP }, isProtected: () => false, mustBeTold: [] };
    const answers = await Promise.allSettled(people(50).map(async () => await directory.protectorOf(question, signal)));
    assert.ok(answers.every(({ status }) => status === 'rejected'));
    assert.equal(asked, 1);
  });

  test('a question is never answered by a request that was sent before it', async () => {
    const { fake, directory } = gathered();
    const ada = person(0);
    const id = fake.tree.add({ kind: 'user', dn: ada, uids: ['ada'] });
    const held = fake.holdNext('locateUser');
    const before = directory.locateUser(id, signal);
    await held.reached;
    const after = directory.locateUser(id, signal);
    assert.equal((await after)?.dn, ada);
    fake.tree.rename(ada, person(9));
    held.go();
    assert.equal((await before)?.dn, person(9));
    assert.equal(fake.operations.filter(({ method }) => method === 'locateUser').length, 2);
  });
});
