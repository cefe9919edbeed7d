import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { Dn } from '../../../../src/access/dn.ts';
import type { Filter } from '../../../../src/access/filter.ts';
import { ACTIVE_DIRECTORY } from '../../../../src/directory/ldap/flavours/active-directory.ts';
import { grantsReading } from '../../../../src/directory/ldap/flavours/active-directory-rights.ts';
import { probe } from '../../../../src/directory/ldap/probe.ts';
import type { Session } from '../../../../src/directory/ldap/session.ts';

const US = Buffer.from('010500000000000515000000455d535cbed9989a99bafa8073040000', 'hex');
const EVERYBODY = Buffer.from('010100000000000100000000', 'hex');
const OTHER = Buffer.from('010500000000000515000000455d535cbed9989a99bafa8007020000', 'hex');
const MEMBER = Buffer.from('c07996bfe60dd011a28500aa003049e2', 'hex');
const OTHER_ATTRIBUTE = Buffer.from('36b2da032e67614fab64f77d2dc2ffab', 'hex');
const READ = 0x10;

const session = { sids: new Set([US, EVERYBODY].map((one) => one.toString('hex'))), guids: new Set([MEMBER.toString('hex')]) };

interface Ace {
  readonly type: number;
  readonly flags?: number;
  readonly mask?: number;
  readonly guid?: Buffer;
  readonly sid?: Buffer;
}

function ace({ type, flags = 0, mask = READ, guid, sid = US }: Ace): Buffer {
  const rights = Buffer.alloc(4);
  rights.writeUInt32LE(mask);
  const object =
    type < 5 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([guid === undefined ? 0 : 1, 0, 0, 0]), guid ?? Buffer.alloc(0)]);
  const whole = Buffer.concat([Buffer.from([type, flags, 0, 0]), rights, object, sid]);
  whole.writeUInt16LE(whole.length, 2);
  return whole;
}

function descriptor(...aces: readonly Ace[]): Buffer {
  const list = Buffer.concat([Buffer.from([4, 0, 0, 0, aces.length, 0, 0, 0]), ...aces.map(ace)]);
  const head = Buffer.alloc(20);
  head.writeUInt32LE(20, 16);
  return Buffer.concat([head, list]);
}

suite('the right to read the members of a group', () => {
  for (const { what, aces, may } of [
    { what: 'one of our accounts may read', aces: [{ type: 0 }], may: true },
    { what: 'everybody may read', aces: [{ type: 0, sid: EVERYBODY }], may: true },
    { what: 'only somebody else may read', aces: [{ type: 0, sid: OTHER }], may: false },
    { what: 'nobody is named', aces: [], may: false },
    { what: 'we may only write', aces: [{ type: 0, mask: 0x20 }], may: false },
    { what: 'we may read this attribute', aces: [{ type: 5, guid: MEMBER }], may: true },
    { what: 'we may read another attribute', aces: [{ type: 5, guid: OTHER_ATTRIBUTE }], may: false },
    { what: 'a denial of this attribute comes first', aces: [{ type: 6, guid: MEMBER }, { type: 0 }], may: false },
    { what: 'a denial of everything comes first', aces: [{ type: 1 }, { type: 5, guid: MEMBER }], may: false },
    { what: 'a denial comes after', aces: [{ type: 0 }, { type: 1 }], may: true },
    { what: 'a denial concerns another attribute', aces: [{ type: 6, guid: OTHER_ATTRIBUTE }, { type: 0 }], may: true },
    { what: 'the right is only for what is beneath', aces: [{ type: 0, flags: 0x8 }], may: false },
    { what: 'a conditional denial stands before it', aces: [{ type: 0xa }, { type: 0 }], may: false },
    { what: 'the right is conditional', aces: [{ type: 0x9 }], may: false },
  ] satisfies readonly { what: string; aces: readonly Ace[]; may: boolean }[]) {
    test(`is ${may ? '' : 'not '}there where ${what}`, () => {
      assert.equal(grantsReading(descriptor(...aces), session), may);
    });
  }

  test('is not there where the list cannot be read, and no bytes make it throw', () => {
    const whole = descriptor({ type: 1, sid: OTHER }, { type: 0 });
    assert.equal(grantsReading(whole, session), true);
    for (let length = 0; length < whole.length; length += 1)
      assert.equal(grantsReading(whole.subarray(0, length), session), false);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        grantsReading(Buffer.from(bytes), session);
      }),
    );
  });
});

suite('an absence in a group whose members are not shown', () => {
  /** As Samba answers where the members are hidden: no assertion is true, and every negation is. */
  const answering = (aces: readonly Ace[]): Session =>
    ({
      search: async ({ filter, attributes }: { filter: Filter; attributes: readonly string[] }) => {
        const attribute = attributes.find((name) => name === 'nTSecurityDescriptor' || name === 'tokenGroups');
        const bytes = attribute === 'tokenGroups' ? [US] : [descriptor(...aces)];
        const entry = { dn: GROUP, attributes: new Map(attribute === undefined ? [] : [[attribute.toLowerCase(), bytes]]) };
        return {
          entries: filter.kind === 'equality' ? [] : [entry],
          isCut: false,
          references: [],
          result: { resultCode: 0, matchedDn: '', diagnosticMessage: '', referrals: [] },
        };
      },
    }) as unknown as Session;
  const GROUP = 'CN=admins,DC=example,DC=test' as Dn;
  const asked = { group: GROUP, attribute: 'member', values: ['CN=ada,DC=example,DC=test'] } as const;

  for (const { what, aces, presence } of [
    { what: 'is one where this account may read them: the group is empty', aces: [{ type: 0 }], presence: 'absent' },
    { what: 'is none where this account may not', aces: [{ type: 1 }, { type: 0 }], presence: 'unknown' },
  ] as const) {
    test(what, async () => {
      const landscape = { flavour: ACTIVE_DIRECTORY };
      assert.deepEqual(await probe({ session: answering(aces), landscape }, asked), [presence]);
    });
  }
});
