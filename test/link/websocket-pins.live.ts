import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { keyPinOf } from '../../src/access/key-pin.ts';
import { checkControlPlane } from '../../src/link/check-control-plane.ts';
import { certificateAuthority } from '../support/certificate-authority.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { linked, serving, TOKEN, welcomed } from '../support/linked.ts';
import { recordingTls } from '../support/recording-tls.ts';

describe('a pinned control plane', () => {
  const authority = certificateAuthority('Example Root');
  const leaf = { name: 'control plane', hosts: ['127.0.0.1', 'localhost'], purpose: 'server' } as const;
  const [certificate, other] = [authority.issue(leaf), authority.issue(leaf)];
  const pinOf = ({ chain }: { chain: string }) => keyPinOf(new X509Certificate(chain).raw);
  const [pin, otherPin] = [pinOf(certificate), pinOf(other)];
  const ca = authority.pem;
  const server = () => serving({ cert: certificate.chain, key: certificate.key });
  const through = (port: number) => ({ scheme: 'http', host: '127.0.0.1', port, credentials: null }) as const;

  test('is spoken to where its key is one of the pinned ones, directly and through a proxy', async () => {
    await using peer = await server();
    await using proxy = await startConnectProxy();
    for (const way of [null, through(proxy.port)])
      for (const pins of [[pin], [otherPin, pin]]) {
        await using under = await linked(peer.url, { ca, pins, proxy: way });
        under.link.start(under.listener);
        await welcomed(peer, under);
      }
  });

  for (const [how, proxied] of [
    ['directly', false],
    ['through a proxy', true],
  ] as const)
    test(`is told nothing where it has another key, ${how}, although its certificate is trusted`, async () => {
      await using peer = await recordingTls({ certificate });
      await using proxy = await startConnectProxy();
      const way = proxied ? through(proxy.port) : null;
      await using under = await linked(`wss://127.0.0.1:${peer.port}/connect`, { ca, pins: [otherPin], proxy: way });
      under.link.start(under.listener);
      const line = await under.log.next('link.waiting');
      await peer.gone();
      assert.equal(peer.heard().length, 0, peer.heard().toString('latin1'));
      assert.deepEqual([line['ending'], line['retryInMs'], line.level], ['wrong_pin', 30_000, 'error']);
      for (const part of [pin, otherPin, 'LATCHKEY_CONTROL_PLANE_PIN', 'no secret was sent', 'openssl x509'])
        assert.ok(line.message.includes(part), `${part} in ${line.message}`);
    });

  test('would have been told the token where nothing is pinned', async () => {
    await using peer = await recordingTls({ certificate });
    await using under = await linked(`wss://127.0.0.1:${peer.port}/connect`, { ca });
    under.link.start(under.listener);
    await peer.gone();
    assert.match(peer.heard().toString('latin1'), new RegExp(`Authorization: Bearer ${TOKEN}`));
  });

  test('needs a certificate that is trusted all the same, and for that name', async () => {
    const stranger = certificateAuthority('Example Root');
    for (const [issued, code] of [
      [stranger.issue(leaf), /CERT|ISSUER|SIGNATURE/],
      [authority.issue({ ...leaf, hosts: ['elsewhere.example.com'] }), /ERR_TLS_CERT_ALTNAME_INVALID/],
    ] as const) {
      await using peer = await recordingTls({ certificate: issued });
      await using under = await linked(`wss://127.0.0.1:${peer.port}/connect`, { ca, pins: [pinOf(issued)] });
      under.link.start(under.listener);
      const line = await under.log.next('link.waiting');
      await peer.gone();
      assert.match(String(line['code']), code);
      assert.equal(peer.heard().length, 0);
    }
  });

  test('that knows no later version than TLS 1.1 is told nothing, pinned or not', async () => {
    const settings = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    for (const pins of [[], [pin]]) {
      await using peer = await recordingTls({ certificate, settings });
      await using under = await linked(`wss://127.0.0.1:${peer.port}/connect`, { ca, pins });
      under.link.start(under.listener);
      const line = await under.log.next('link.waiting');
      await peer.gone();
      assert.match(String(line['code']), /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|EPROTO/);
      assert.equal(peer.heard().length, 0);
    }
  });

  test('is checked with both pins and how to work one out', async () => {
    await using peer = await recordingTls({ certificate });
    await using under = await linked(`wss://127.0.0.1:${peer.port}/connect`);
    const token = async () => ({ reveal: () => TOKEN });
    const url = `wss://127.0.0.1:${peer.port}/connect`;
    const options = { url, token, ca, clientCertificate: null, clock: under.clock, logger: under.log.logger };
    const [step] = await checkControlPlane({ ...options, pins: [otherPin] });
    assert.equal(step?.status, 'fail');
    for (const part of [pin, otherPin, 'openssl x509']) assert.ok(step?.detail.includes(part), step?.detail);
    assert.equal(peer.heard().length, 0);
  });
});
