import { controlPlaneAddress, proxyAddress } from '../address.ts';
import * as values from '../values.ts';
import type { VariableRow } from './row.ts';

/** Where the control plane is, and how it is reached. */
export const CONTROL_PLANE = {
  LATCHKEY_CONTROL_PLANE_URL: {
    value: controlPlaneAddress,
    unset: 'required',
    example: 'wss://control-plane.example.com/connect',
    essential: true,
    meaning: '`wss://…`; `ws://` only to a loopback address',
  },
  LATCHKEY_CONTROL_PLANE_TOKEN: {
    value: values.orReference(values.bearerToken),
    unset: 'required, or its file',
    example: 'a-token-of-the-control-plane',
    secret: true,
    meaning: 'bearer token of this connector, or where it is: `credential:NAME`, `vault:MOUNT/data/PATH#FIELD`',
  },
  LATCHKEY_CONTROL_PLANE_TOKEN_FILE: {
    value: values.secretFile(values.bearerToken),
    unset: 'required, or the token',
    example: './control-plane-token',
    essential: true,
    meaning: 'the file that holds the token; it is read again at each use',
  },
  LATCHKEY_CONTROL_PLANE_CA_FILE: {
    value: values.certificateFile,
    unset: "the system's roots",
    example: './control-plane-ca.pem',
    meaning: 'PEM, the authorities to trust instead',
  },
  LATCHKEY_CONTROL_PLANE_PIN: {
    value: values.keyPins,
    unset: 'none',
    example: 'sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    meaning:
      'the SHA-256 of the public key that the control plane must have beside a trusted certificate; of several, separated by spaces or `;`, one',
  },
  LATCHKEY_CONTROL_PLANE_CERT_FILE: {
    value: values.certificateFile,
    unset: 'none',
    example: './connector.pem',
    meaning:
      'PEM, the certificate (its chain after it) that is shown to a control plane which asks for one. Read again at each connection; a bad new one is logged, and the last good one used',
  },
  LATCHKEY_CONTROL_PLANE_KEY_FILE: {
    value: values.secretFile(values.privateKey),
    unset: 'none',
    example: './connector-key.pem',
    meaning: 'PEM, the key of that certificate, without a passphrase; both files or none',
  },
  LATCHKEY_JOB_KEYS_FILE: {
    value: values.jobKeysFile,
    unset: 'none: jobs need no signature',
    example: './job-keys.json',
    meaning:
      'JWKS, the public keys (Ed25519 or P-256) that jobs must be signed for; when it is set, no other job is taken. Read again on SIGHUP',
  },
  HTTPS_PROXY: {
    value: proxyAddress,
    unset: 'none',
    example: 'http://proxy.example.com:3128',
    secret: true,
    meaning:
      '`http://[user:password@]host[:80]` or `https://…`, asked (CONNECT, Basic) for the way to the control plane; also in small letters. The directory is always reached directly',
  },
  NO_PROXY: {
    value: values.hosts,
    unset: 'none',
    example: '.example.com,10.0.0.0/8',
    meaning:
      'hosts, domains, addresses and ranges, separated by commas, that are reached without the proxy; loopback always is. Also in small letters',
  },
  LATCHKEY_CONNECTOR_ID: {
    value: values.connectorId,
    unset: 'the host name at first start, then what the ledger keeps',
    example: 'berlin-1',
    meaning: 'who this connector is for the control plane; a different value later is an error',
  },
  LATCHKEY_NAME: {
    value: values.friendlyName,
    unset: 'the connector id',
    example: 'Berlin',
    meaning: 'what the control plane shows, 1 to 64 characters',
  },
} as const satisfies Record<string, VariableRow<unknown>>;
