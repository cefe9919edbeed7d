import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Dn } from '../../src/access/dn.ts';
import type { EntryId } from '../../src/access/ids.ts';
import { instant } from '../../src/access/instant.ts';
import {
  type EndingValue,
  judgeEnding,
  judgeMembership,
  memberValueOf,
  type Period,
  presenceOf,
} from '../../src/access/membership.ts';

const pair = { user: { id: 'u' as EntryId, dn: 'uid=u' as Dn }, group: { id: 'g' as EntryId, dn: 'cn=g' as Dn } };
const period = (standing: Period['standing']): Period => ({
  pair,
  standing,
  heldSince: instant(0),
  memberAttribute: 'member',
  values: ['uid=u'],
  metValues: [],
  seenAbsent: false,
  deleteSent: false,
});

const value = fc.record({
  value: fc.string(),
  origin: fc.constantFrom('current', 'recorded'),
  presence: fc.constantFrom('member', 'absent'),
  occupied: fc.boolean(),
  anothers: fc.boolean(),
  written: fc.boolean(),
}) as fc.Arbitrary<EndingValue>;

test('only (1,0) is a member and only (0,1) is not; everything else is unknown', () => {
  fc.assert(
    fc.property(fc.nat(5), fc.nat(5), (matching, notMatching) => {
      const presence = presenceOf({ matching, notMatching });
      assert.equal(presence === 'member', matching === 1 && notMatching === 0);
      assert.equal(presence === 'absent', matching === 0 && notMatching === 1);
    }),
  );
});

suite('what the probe before the first write means', () => {
  test('a member without a period of ours is standing', () => assert.equal(judgeMembership('member', null), 'already_standing'));
  test('a member in a standing period stays standing', () =>
    assert.equal(judgeMembership('member', period(true)), 'already_standing'));
  test('a member in our own period is covered, never standing', () =>
    assert.equal(judgeMembership('member', period(false)), 'covered_by_grant'));
  test('a member in a period whose values were all seen absent is somebody else’s', () =>
    assert.equal(judgeMembership('member', { ...period(false), values: [] }), 'already_standing'));
  test('after a restore a member is already_standing until an operator decides', () =>
    assert.equal(judgeMembership('member', period('unknown')), 'already_standing'));
  for (const known of [null, period(true), period(false), period('unknown')]) {
    test(`an absent member is written, whatever was believed (${known?.standing ?? 'no period'})`, () =>
      assert.equal(judgeMembership('absent', known), 'write'));
  }
});

suite('which values an ending deletes', () => {
  test('nothing is ever deleted in a period that is not ours', () => {
    fc.assert(
      fc.property(fc.array(value), fc.constantFrom(true, 'unknown' as const), fc.boolean(), (values, standing, seenAbsent) => {
        assert.deepEqual(judgeEnding(values, { standing, seenAbsent }).remove, []);
      }),
    );
  });

  test('only what a probe has shown is deleted, and everything shown is deleted or reported', () => {
    fc.assert(
      fc.property(fc.array(value), fc.boolean(), (values, seenAbsent) => {
        const { remove, recreated } = judgeEnding(values, { standing: false, seenAbsent });
        const shown = values.filter(({ presence }) => presence === 'member').map((one) => one.value);
        assert.deepEqual([...remove, ...recreated].toSorted(), shown.toSorted());
      }),
    );
  });

  test("the user's current value is always ours to delete", () => {
    fc.assert(
      fc.property(fc.array(value), fc.boolean(), (values, seenAbsent) => {
        const { recreated } = judgeEnding(
          values.map((one) => ({ ...one, origin: 'current' })),
          { standing: false, seenAbsent },
        );
        assert.deepEqual(recreated, []);
      }),
    );
  });

  const recorded: EndingValue = {
    value: 'uid=old',
    origin: 'recorded',
    written: true,
    presence: 'member',
    occupied: true,
    anothers: false,
  };
  test('a recorded value that another person took over is ours while the membership did not follow and was never seen absent', () => {
    assert.deepEqual(
      judgeEnding(
        [{ value: 'uid=new', origin: 'current', written: false, presence: 'absent', occupied: false, anothers: false }, recorded],
        {
          standing: false,
          seenAbsent: false,
        },
      ).remove,
      ['uid=old'],
    );
  });
  test('a recorded value of another person is theirs where the membership followed our user', () => {
    const judged = judgeEnding(
      [{ value: 'uid=new', origin: 'current', written: false, presence: 'member', occupied: false, anothers: false }, recorded],
      {
        standing: false,
        seenAbsent: false,
      },
    );
    assert.deepEqual(judged, { remove: ['uid=new'], recreated: ['uid=old'] });
  });
  test('a recorded value is ours although another took it over, where we wrote the current value ourselves: nothing followed', () => {
    const current: EndingValue = {
      value: 'uid=new',
      origin: 'current',
      written: true,
      presence: 'member',
      occupied: false,
      anothers: false,
    };
    assert.deepEqual(judgeEnding([current, recorded], { standing: false, seenAbsent: false }).remove, ['uid=new', 'uid=old']);
  });
  test('a recorded value of another person is theirs where a probe saw it absent since our write', () => {
    assert.deepEqual(judgeEnding([recorded], { standing: false, seenAbsent: true }), { remove: [], recreated: ['uid=old'] });
  });
  test('a dangling recorded value that nobody goes by is deleted, unless a probe saw it absent since our write', () => {
    assert.deepEqual(judgeEnding([{ ...recorded, occupied: false }], { standing: false, seenAbsent: false }).remove, ['uid=old']);
    assert.deepEqual(judgeEnding([{ ...recorded, occupied: false }], { standing: false, seenAbsent: true }).recreated, [
      'uid=old',
    ]);
  });
});

suite('the value that names a user in a group', () => {
  const user = { dn: 'cn=Ann Lee,dc=x' as Dn, uids: ['ann'] };
  test('is the name for member and uniqueMember', () => {
    assert.deepEqual(memberValueOf('member', user), { kind: 'value', value: user.dn });
    assert.deepEqual(memberValueOf('uniqueMember', user), { kind: 'value', value: user.dn });
  });
  test('is the uid, not the first RDN, for memberUid', () =>
    assert.deepEqual(memberValueOf('memberUid', user), { kind: 'value', value: 'ann' }));
  test('is, of several uids, the one in the name', () =>
    assert.deepEqual(memberValueOf('memberUid', { dn: 'uid=b,dc=x' as Dn, uids: ['a', 'b'] }), { kind: 'value', value: 'b' }));
  test('is ambiguous where none of several uids is in the name', () =>
    assert.deepEqual(memberValueOf('memberUid', { ...user, uids: ['a', 'b'] }), { kind: 'ambiguous', count: 2 }));
  test('is missing where there is no uid', () =>
    assert.deepEqual(memberValueOf('memberUid', { ...user, uids: [] }), { kind: 'none' }));
});
