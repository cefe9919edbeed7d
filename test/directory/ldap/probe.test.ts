import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Dn } from '../../../src/access/dn.ts';
import { DirectoryError } from '../../../src/directory/directory.ts';
import { DIRECTORY_SERVER_389 } from '../../../src/directory/ldap/flavours/389ds.ts';
import { OPENLDAP } from '../../../src/directory/ldap/flavours/openldap.ts';
import { change, probe } from '../../../src/directory/ldap/probe.ts';
import type { Session } from '../../../src/directory/ldap/session.ts';

const group = 'cn=vpn,dc=example,dc=test' as Dn;
const ada = 'uid=ada,dc=example,dc=test';
const ended = new DirectoryError('unavailable', 'the connection ended');

/** As much of a session as a change uses: the modify is answered, and no search is. */
function endedAfterModify(): Session {
  const success = { resultCode: 0, matchedDn: '', diagnosticMessage: '', referrals: [] };
  const fake = { modify: async () => success, search: () => Promise.reject(ended) };
  return fake as unknown as Session;
}

const changed = (wanted: { add: readonly string[]; remove: readonly string[] }) =>
  change(
    { session: endedAfterModify(), landscape: { flavour: OPENLDAP } },
    {
      change: { group, attribute: 'member', ...wanted },
      probed: [ada],
      failPoints: () => undefined,
    },
  );

describe('a change whose modify was answered and whose probe was not', () => {
  test('may have been done', async () => {
    await assert.rejects(changed({ add: [ada], remove: [] }), { fault: 'unavailable', sent: true });
    await assert.rejects(changed({ add: [], remove: [ada] }), { fault: 'unavailable', sent: true });
  });

  test('was not sent where there was nothing to write', async () => {
    await assert.rejects(changed({ add: [], remove: [] }), { fault: 'unavailable', sent: false });
  });
});

describe('an absence', () => {
  /** A session on which no assertion is true, and every negation is. */
  const negating = {
    search: async ({ filter }: { filter: { kind: string } }) => ({
      entries: filter.kind === 'not' ? [{}] : [],
      isCut: false,
      references: [],
      result: { resultCode: 0, matchedDn: '', diagnosticMessage: '', referrals: [] },
    }),
  } as unknown as Session;
  const misjudged = 'cn=\\0aada,dc=example,dc=test';

  for (const [flavour, presences] of [
    [OPENLDAP, ['absent', 'absent']],
    [DIRECTORY_SERVER_389, ['absent', 'unknown']],
  ] as const) {
    test(`of a name that ${flavour.vendor} ${presences[1] === 'absent' ? 'reads as others' : 'tells absent where it is there'} is ${presences[1]}`, async () => {
      const asked = { session: negating, landscape: { flavour } };
      assert.deepEqual(await probe(asked, { group, attribute: 'member', values: [ada, misjudged] }), presences);
    });
  }
});

describe('many values on a server whose compare is quicker than its filters', () => {
  const plain = Array.from({ length: 6 }, (_, i) => `uid=U${i},ou=people,dc=example,dc=test`);
  const escaped = 'cn=Doe\\, Jane,ou=people,dc=example,dc=test';

  /** A session on which the even ones are members, and nothing is true of what a filter asks for. */
  function comparing(refused: string | null = null) {
    const compared: string[] = [];
    const session = {
      search: async () => ({ entries: [], isCut: false, references: [] }),
      compare: async ({ value }: { value: string }) => {
        compared.push(value);
        if (value === refused) throw new DirectoryError('refused', 'no', { ldap });
        return /uid=u[024],/.test(value);
      },
    } as unknown as Session;
    const probed = async (values: readonly string[]) =>
      await probe({ session, landscape: { flavour: DIRECTORY_SERVER_389 } }, { group, attribute: 'member', values });
    return { compared, probed };
  }
  const ldap = { resultCode: 50, resultName: 'insufficientAccessRights', diagnosticMessage: '', matchedDn: '' };
  const evens = ['member', 'absent', 'member', 'absent', 'member', 'absent'];

  test('are compared in its normal form', async () => {
    const { compared, probed } = comparing();
    assert.deepEqual(await probed(plain), evens);
    assert.deepEqual(
      compared,
      plain.map((value) => value.toLowerCase()),
    );
  });

  test('are not compared where a name may have another normal form, and the others keep their answers', async () => {
    const { compared, probed } = comparing();
    assert.deepEqual(await probed([escaped, ...plain]), ['unknown', ...evens]);
    assert.equal(compared.length, plain.length);
  });

  test('are asked for by filters where a compare is refused', async () => {
    const { probed } = comparing('uid=u1,ou=people,dc=example,dc=test');
    assert.deepEqual(await probed(plain), evens.with(1, 'unknown'));
  });
});
