import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto';
import { bitString, integer, objectIdentifier, sequence, setOf, time, utf8String } from '../../src/control-plane/der.ts';

const DAY_MS = 86_400_000;
const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'));

/** A certificate that signs itself, for servers that name it as an authority: enough to show who a client is. PEM. */
export function makeClientCertificate({ name = 'connector', expiresAtMs = Date.now() + DAY_MS, passphrase = '' } = {}) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const subject = sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(name))));
  const toBeSigned = sequence(
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ECDSA_WITH_SHA256,
    subject,
    sequence(time(expiresAtMs - 2 * DAY_MS), time(expiresAtMs)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
  );
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign('sha256', toBeSigned, privateKey)));
  const protection = passphrase === '' ? {} : { cipher: 'aes-256-cbc', passphrase };
  return {
    chain: new X509Certificate(der).toString(),
    key: privateKey.export({ type: 'pkcs8', format: 'pem', ...protection }),
  };
}
