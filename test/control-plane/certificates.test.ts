import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { makeCertificate } from '../../src/control-plane/certificates.ts';
import { integer, objectIdentifier, time, tlv } from '../../src/control-plane/der.ts';

test('the server certificate is signed by its authority and holds the names, whatever their form', () => {
  const names = ['localhost', 'stub.example.com', '127.0.0.1', '::1', 'fd00::1:2', '::ffff:192.0.2.1', '2001:db8::'];
  const made = makeCertificate(names, Date.now());
  const ca = new X509Certificate(made.ca);
  const cert = new X509Certificate(made.cert);
  assert.ok(ca.ca && ca.verify(ca.publicKey));
  assert.ok(!cert.ca && cert.verify(ca.publicKey) && cert.checkIssued(ca));
  for (const host of names.slice(0, 2)) assert.equal(cert.checkHost(host), host);
  for (const address of names.slice(2)) assert.ok(cert.checkIP(address) !== undefined, address);
  assert.equal(cert.checkIP('192.0.2.2'), undefined);
  assert.equal(cert.checkHost('example.com'), undefined);
});

test('DER lengths, integers, object identifiers and times are written as X.690 and RFC 5280 say', () => {
  assert.equal(tlv(0x04, Buffer.alloc(127)).subarray(0, 2).toString('hex'), '047f');
  assert.equal(tlv(0x04, Buffer.alloc(128)).subarray(0, 3).toString('hex'), '048180');
  assert.equal(tlv(0x04, Buffer.alloc(256)).subarray(0, 4).toString('hex'), '04820100');
  assert.equal(integer(Buffer.from([0, 0x80])).toString('hex'), '02020080');
  assert.equal(integer(Buffer.from([0, 0])).toString('hex'), '020100');
  assert.equal(objectIdentifier('1.2.840.10045.4.3.2').toString('hex'), '06082a8648ce3d040302');
  assert.equal(time(Date.UTC(2049, 11, 31, 23, 59, 59)).toString('latin1', 2), '491231235959Z');
  assert.equal(time(Date.UTC(2050, 0, 1)).toString('latin1', 2), '20500101000000Z');
});

test('an IPv6 address in the certificate is the address that was named', () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const { cert } = makeCertificate([address], Date.now());
      assert.ok(new X509Certificate(cert).checkIP(address) !== undefined, address);
    }),
    { numRuns: 50 },
  );
});
