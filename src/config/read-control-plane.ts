import type { Instant } from '../access/instant.ts';
import { fixedSecret } from '../secrets/file-secret.ts';
import { type ControlPlaneAddress, proxyAddress } from './address.ts';
import type { ControlPlaneConfig, ProxyConfig } from './config.ts';
import { exemptFromProxy, isLoopback } from './host.ts';
import type { ConfigWarning } from './problem.ts';
import { readClientCertificateFiles } from './read-client-certificate.ts';
import type { Environment } from './read-environment.ts';
import { readSecret, type VaultWhereNeeded } from './read-secret.ts';
import type { VariableReader } from './variable-reader.ts';

/** What a command has that asks the directory alone: a name that nothing ever has (RFC 2606). */
export const NO_CONTROL_PLANE: ControlPlaneConfig = {
  url: 'wss://control-plane.invalid/',
  token: fixedSecret('none'),
  ca: null,
  pins: [],
  clientCertificate: null,
  proxy: null,
  jobKeys: null,
  connectorId: null,
  name: null,
};

/** Where the control plane is, and how it is reached; undefined where a problem was met that leaves no answer. */
export function readControlPlane({
  environment,
  reader,
  warnings,
  now,
  vault,
}: {
  environment: Environment;
  reader: VariableReader;
  warnings: ConfigWarning[];
  now: () => Instant;
  vault: VaultWhereNeeded;
}): ControlPlaneConfig | undefined {
  const address = reader.required('LATCHKEY_CONTROL_PLANE_URL');
  const token = readSecret({
    variable: 'LATCHKEY_CONTROL_PLANE_TOKEN',
    reader,
    vault,
  });
  const ca = reader.optional('LATCHKEY_CONTROL_PLANE_CA_FILE') ?? null;
  const pins = reader.optional('LATCHKEY_CONTROL_PLANE_PIN') ?? [];
  if (pins.length > 0 && address?.scheme === 'ws')
    reader.problem({
      variable: 'LATCHKEY_CONTROL_PLANE_PIN',
      found: 'set, and LATCHKEY_CONTROL_PLANE_URL is ws://, which shows no key',
      expected: 'a wss:// URL, or no pin',
    });
  const jobKeys = reader.optional('LATCHKEY_JOB_KEYS_FILE') ?? null;
  const clientCertificate = readClientCertificateFiles({
    certVariable: 'LATCHKEY_CONTROL_PLANE_CERT_FILE',
    keyVariable: 'LATCHKEY_CONTROL_PLANE_KEY_FILE',
    reader,
    warnings,
    now,
  });
  const connectorId = reader.optional('LATCHKEY_CONNECTOR_ID') ?? null;
  const name = reader.optional('LATCHKEY_NAME') ?? null;
  const proxy = address === undefined ? null : readProxy(environment, address, reader);
  if (address === undefined || token === undefined) return undefined;
  return { url: address.url, token, ca, pins, clientCertificate, proxy, jobKeys, connectorId, name };
}

/**
 * The proxy, unless NO_PROXY exempts the control plane or the connection does not leave the machine. Programs disagree about the
 * case of the two names, so any is looked at, and only what leaves no doubt is taken.
 */
function readProxy(environment: Environment, address: ControlPlaneAddress, reader: VariableReader): ProxyConfig | null {
  const named = (upper: string) =>
    Object.entries(environment).flatMap(([variable, text = '']) =>
      variable.toUpperCase() === upper && text.trim() !== '' ? [{ variable, text: text.trim() }] : [],
    );
  const noProxy = named('NO_PROXY')
    .map(({ text }) => text)
    .join(',');
  const { host, port } = address;
  if (address.scheme !== 'wss' || isLoopback(host) || exemptFromProxy({ host, port, noProxy })) return null;
  const [first, ...others] = named('HTTPS_PROXY');
  if (first === undefined) return null;
  const other = others.find(({ text }) => text !== first.text);
  if (other !== undefined) {
    const found = `set, and ${other.variable} too, with another value (not shown)`;
    reader.problem({ variable: first.variable, found, expected: 'one of the two, or the same value in both' });
    return null;
  }
  const parsed = proxyAddress.read(first.text);
  if (!parsed.ok) {
    const found = parsed.problem;
    reader.problem({
      variable: first.variable,
      found,
      expected: `${proxyAddress.expected}; or ${host} in NO_PROXY, to connect without a proxy`,
    });
    return null;
  }
  const { credentials, ...proxy } = parsed.value;
  return { ...proxy, credentials: credentials === null ? null : fixedSecret(credentials) };
}
