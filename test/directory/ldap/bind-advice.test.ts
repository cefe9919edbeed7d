import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { adviceOn, adviceOnResult, bindWords, PASSWORD_POLICY } from '../../../src/directory/ldap/bind-advice.ts';
import type { LdapResult } from '../../../src/directory/ldap/ldap-message.ts';

const NETSCAPE_EXPIRED = '2.16.840.1.113730.3.4.4';
const NETSCAPE_EXPIRING = '2.16.840.1.113730.3.4.5';

const result = (
  resultCode: number,
  diagnosticMessage = '',
  controls: readonly (readonly [string, Buffer])[] = [],
): LdapResult => ({
  resultCode,
  matchedDn: '',
  diagnosticMessage,
  referral: [],
  controls: new Map(controls),
});
const policy = (...bytes: number[]) => [PASSWORD_POLICY, Buffer.from([0x30, bytes.length, ...bytes])] as const;
const AD_TEXT = (code: string) => `80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data ${code}, v4563`;

suite('what a bind says of the account', () => {
  test('the sub-codes of Active Directory, in either case', () => {
    const trouble = (code: string) => bindWords(result(49, AD_TEXT(code))).trouble;
    assert.deepEqual(['525', '52e', '52E', '530', '531', '532', '533', '701', '773', '775'].map(trouble), [
      'unknown_account',
      'wrong_password',
      'wrong_password',
      'not_at_this_time',
      'not_from_here',
      'password_expired',
      'disabled',
      'account_expired',
      'must_change_password',
      'locked',
    ]);
    assert.deepEqual(['fff', '0', '775x'].map(trouble), ['unsaid', 'unsaid', 'unsaid']);
  });

  test('the password policy control, whatever the text', () => {
    const words = (code: number, ...bytes: number[]) => bindWords(result(code, AD_TEXT('52e'), [policy(...bytes)]));
    assert.equal(words(49, 0x81, 1, 0).trouble, 'password_expired');
    assert.equal(words(49, 0x81, 1, 1).trouble, 'locked');
    assert.equal(words(0, 0x81, 1, 2).trouble, 'must_change_password');
    assert.deepEqual(words(0, 0xa0, 3, 0x80, 1, 60), { trouble: null, expiresInMs: 60_000, graceLeft: null });
    assert.deepEqual(words(0, 0xa0, 3, 0x81, 1, 2), { trouble: null, expiresInMs: null, graceLeft: 2 });
  });

  test("Netscape's controls: expired, to be changed, and expiring", () => {
    const words = (code: number, oid: string, value: string) => bindWords(result(code, '', [[oid, Buffer.from(value)]]));
    assert.equal(words(49, NETSCAPE_EXPIRED, '0').trouble, 'password_expired');
    assert.equal(words(0, NETSCAPE_EXPIRED, '0').trouble, 'must_change_password');
    assert.deepEqual(words(0, NETSCAPE_EXPIRING, '86400'), { trouble: null, expiresInMs: 86_400_000, graceLeft: null });
    assert.equal(words(0, NETSCAPE_EXPIRING, 'soon').expiresInMs, null);
  });

  test('a success without words has no trouble, and no bytes of a control make an error', () => {
    assert.deepEqual(bindWords(result(0)), { trouble: null, expiresInMs: null, graceLeft: null });
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (bytes) => {
        for (const value of [Buffer.from(bytes), Buffer.from([0x30, bytes.length, ...bytes])])
          bindWords(result(0, '', [[PASSWORD_POLICY, value]]));
      }),
    );
  });

  test('each has advice of its own, and so has a result that is not 49', () => {
    const troubles = [
      'unknown_account',
      'wrong_password',
      'restricted',
      'not_at_this_time',
      'not_from_here',
      'locked',
      'unsaid',
    ] as const;
    const others = ['password_expired', 'must_change_password', 'disabled', 'account_expired'] as const;
    assert.equal(new Set([...troubles, ...others].map(adviceOn)).size, 11);
    assert.equal(adviceOnResult(19), adviceOn('locked'));
    assert.equal(adviceOnResult(53), adviceOn('disabled'));
    assert.equal(adviceOnResult(1), null);
  });
});
