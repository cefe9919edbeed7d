import { directoryAddresses } from '../address.ts';
import * as values from '../values.ts';
import type { VariableRow } from './row.ts';

/** Where the directory is, how it is spoken to, and by whom. */
export const DIRECTORY = {
  LDAP_URL: {
    value: directoryAddresses,
    unset: 'required',
    example: 'ldaps://ldap.example.com',
    essential: true,
    meaning:
      '`ldaps://host[:636]` or `ldap://host[:389]`; of several, separated by spaces, the next is taken where one cannot be connected to, and kept until it fails',
  },
  LDAP_START_TLS: {
    value: values.switchValue,
    default: 'false',
    example: 'true',
    meaning: 'upgrade an `ldap://` connection before the bind',
  },
  LDAP_CA_FILE: {
    value: values.certificateFile,
    unset: "the system's roots",
    example: './ldap-ca.pem',
    meaning: "PEM, the authorities (root or intermediate, or the server's own certificate) to trust instead",
  },
  LDAP_PIN: {
    value: values.keyPins,
    unset: 'none',
    example: 'sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=',
    meaning:
      'the SHA-256 of the public key that a server must have beside a trusted certificate; of several, separated by spaces or `;`, one',
  },
  LDAP_BIND: {
    value: values.oneOf(['simple', 'external']),
    default: 'simple',
    example: 'external',
    meaning: '`simple`, or `external`: SASL EXTERNAL, where the client certificate stands for the account',
  },
  LDAP_CERT_FILE: {
    value: values.certificateFile,
    unset: 'none; required for `external`',
    example: './ldap-client.pem',
    meaning:
      'PEM, the certificate (its chain after it) that is shown to a directory which asks for one. Read again at each connection',
  },
  LDAP_KEY_FILE: {
    value: values.secretFile(values.privateKey),
    unset: 'none; required for `external`',
    example: './ldap-client-key.pem',
    meaning: 'PEM, the key of that certificate, without a passphrase; both files or none',
  },
  LDAP_BIND_DN: {
    value: values.accountName,
    unset: 'required for `simple`',
    example: 'cn=latchkey,ou=system,dc=example,dc=com',
    essential: true,
    meaning:
      "the connector's account: its DN, or, on Active Directory, `user@domain` or `DOMAIN\\user`. With `external`, whom the certificate must stand for",
  },
  LDAP_BIND_PASSWORD: {
    value: values.orReference(values.password),
    unset: 'required for `simple`, or its file',
    example: 'the-password-of-that-account',
    secret: true,
    meaning:
      'the password of that account, or where it is: `credential:NAME`, `vault:MOUNT/data/PATH#FIELD`, which is read at each bind. A refused one is tried again after 15 minutes, a changed one at once',
  },
  LDAP_BIND_PASSWORD_FILE: {
    value: values.secretFile(values.password),
    unset: 'required for `simple`, or the password',
    example: './ldap-password',
    essential: true,
    meaning: 'the file that holds the password; it is read again at each bind, and at once where the directory refuses it',
  },
  LDAP_ALLOW_CLEARTEXT: {
    value: values.switchValue,
    default: 'false',
    example: 'true',
    meaning: 'allows a bind without TLS to another machine, with a warning at each start',
  },
  LDAP_REFERRALS: {
    value: values.oneOf(['ignore', 'follow']),
    default: 'ignore',
    example: 'follow',
    meaning:
      '`follow`: where one server of `LDAP_URL` refers us to another of them, that one is used from then on. No other server is ever spoken to',
  },
  LDAP_CONNECT_TIMEOUT: {
    value: values.duration('100ms', '5m'),
    default: '5s',
    example: '3s',
    meaning: 'TCP, TLS and bind, at one server',
  },
  LDAP_READ_TIMEOUT: {
    value: values.duration('100ms', '10m'),
    default: '10s',
    example: '30s',
    meaning: 'one operation',
  },
} as const satisfies Record<string, VariableRow<unknown>>;
