import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { isLoopbackAddress, parseEndpoint, shownAddress, troubleOf } from '../../../src/directory/ldap/endpoint.ts';
import { answeredError, faultOf, ldapAnswer } from '../../../src/directory/ldap/result-codes.ts';

suite('what answers mean', () => {
  test('hints are told from refusals, and what may pass from what may not', () => {
    const meaning = {
      already_there: [20, 68],
      already_absent: [16],
      last_member: [65],
      gone: [32],
      bind_refused: [49],
      busy: [1, 3, 11, 51, 52, 80],
      refused: [2, 4, 8, 10, 12, 13, 19, 21, 34, 50, 53],
    } as const;
    for (const [fault, codes] of Object.entries(meaning)) for (const code of codes) assert.equal(faultOf(code), fault, `${code}`);
  });

  test('every code means something, and one that is not known may pass', () => {
    for (let code = 1; code <= 300; code += 1) assert.notEqual(faultOf(code), undefined);
    assert.equal(faultOf(4711), 'busy');
  });

  test('a referral says which server was named', () => {
    const result = { resultCode: 10, matchedDn: '', diagnosticMessage: '', referral: ['ldap://other/'], controls: new Map() };
    const error = answeredError(result, 'change a group');
    assert.equal(error.fault, 'refused');
    assert.match(error.message, /10 \(referral\): \[another server: ldap:\/\/other\/\] to: change a group/);
    assert.match(ldapAnswer({ ...result, diagnosticMessage: 'read-only' }).diagnosticMessage, /^read-only .*ldap:\/\/other\//);
  });
});

suite('where a directory is', () => {
  test('a URL is read with its port and its TLS', () => {
    const read = (url: string, startTls = false) => {
      const { host, port, tls } = parseEndpoint(url, startTls);
      return [host, port, tls];
    };
    assert.deepEqual(read('ldaps://dc.example.test'), ['dc.example.test', 636, 'implicit']);
    assert.deepEqual(read('ldap://dc.example.test:1389', true), ['dc.example.test', 1389, 'start_tls']);
    assert.deepEqual(read('ldap://[::1]'), ['::1', 389, 'none']);
    assert.equal(shownAddress(parseEndpoint('ldap://[::1]', false)), '[::1]:389');
    for (const bad of ['', 'dc.example.test', 'http://a', 'ldap://', 'ldapi:///x'])
      assert.throws(() => parseEndpoint(bad, false), RangeError);
  });

  test('only addresses of this machine are loopback', () => {
    for (const address of ['127.0.0.1', '127.255.1.2', '::1']) assert.ok(isLoopbackAddress(address), address);
    for (const address of ['10.0.0.1', '::2', '128.0.0.1', 'localhost', '', undefined]) assert.ok(!isLoopbackAddress(address));
  });

  test('trouble is known by its code, never by its text', () => {
    const error = (code: string) => Object.assign(new Error('ECONNREFUSED in the text only'), { code });
    assert.equal(troubleOf(error('ENOTFOUND')), 'name_not_found');
    assert.equal(troubleOf(error('ERR_SSL_WRONG_VERSION_NUMBER')), 'tls_failed');
    assert.equal(troubleOf(error('SOMETHING_NEW')), 'other');
    assert.equal(troubleOf(new Error('ECONNREFUSED')), 'other');
    assert.equal(troubleOf('ECONNREFUSED'), 'other');
  });
});
