import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { endpointNamed, parseEndpoints, shownAddress, troubleOf } from '../../../src/directory/ldap/endpoint.ts';

const shown = (urls: string, startTls = false) =>
  parseEndpoints(urls, startTls).map((endpoint) => `${shownAddress(endpoint)} ${endpoint.tls}`);

suite('servers of a directory', () => {
  test('are read in order, each address once, with its own kind of TLS', () => {
    assert.deepEqual(shown(' ldaps://a\tldap://b:1389\n ldaps://a:636 ldaps://[::1]:1636 ', true), [
      'a:636 implicit',
      'b:1389 start_tls',
      '[::1]:1636 implicit',
    ]);
    assert.throws(() => parseEndpoints(' ', false), RangeError);
    assert.throws(() => parseEndpoints('ldaps://a http://b', false), RangeError);
  });

  test('a referral names one by host and port, else by host, in any case, and never another', () => {
    const endpoints = parseEndpoints('ldaps://dc1.example.com ldaps://dc2.example.com ldap://dc2.example.com:1389', true);
    const named = (...uris: string[]) => {
      const found = endpointNamed(uris, endpoints);
      return found === undefined ? null : shownAddress(found);
    };
    assert.equal(named('ldap://DC2.example.com:1389/cn=x,dc=example,dc=com??base'), 'dc2.example.com:1389');
    assert.equal(named('ldap://dc2.example.com/cn=x'), 'dc2.example.com:636');
    assert.equal(named('nonsense', 'ldap://elsewhere.example.com', 'ldaps://dc1.example.com'), 'dc1.example.com:636');
    for (const uri of ['ldap://dc1.example.com.evil.test', 'ldap://example.com', 'http://dc1.example.com', 'ldap:///dc=x', ''])
      assert.equal(named(uri), null, uri);
  });

  test('an alert about our certificate is told apart from other failures of TLS, by its code', () => {
    const trouble = (code: string) => troubleOf(Object.assign(new Error('x'), { code }));
    for (const code of [
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
      'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED',
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED',
      'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
      'ERR_SSL_TLSV1_ALERT_ACCESS_DENIED',
    ])
      assert.equal(trouble(code), 'tls_client_refused', code);
    for (const code of ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'ERR_SSL_UNSUPPORTED_PROTOCOL'])
      assert.equal(trouble(code), 'tls_too_old', code);
    for (const code of ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE'])
      assert.equal(trouble(code), 'tls_not_agreed', code);
    for (const code of ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR'])
      assert.equal(trouble(code), 'tls_failed', code);
  });
});
