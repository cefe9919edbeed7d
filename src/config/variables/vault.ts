import { vaultAddress } from '../address.ts';
import * as values from '../values.ts';
import type { VariableRow } from './row.ts';

/** Where secrets are read from that variables name by `credential:NAME` or `vault:MOUNT/data/PATH#FIELD`. */
export const SECRET_STORES = {
  CREDENTIALS_DIRECTORY: {
    value: values.folder,
    unset: 'none',
    example: '/run/credentials/latchkey.service',
    meaning:
      'the folder in which `credential:NAME` is looked for, instead of a secret or of the path of a file; set by systemd (`LoadCredential=`, `LoadCredentialEncrypted=`)',
  },
  VAULT_ADDR: {
    value: vaultAddress,
    unset: 'required for `vault:…`',
    example: 'https://vault.example.com:8200',
    meaning:
      'where HashiCorp Vault is, from which `vault:MOUNT/data/PATH#FIELD` instead of a secret is read: a field of a secret of the key/value engine in version 2. `http://` only to a loopback address. These variables are not looked at where nothing refers to Vault',
  },
  VAULT_CACERT: {
    value: values.certificateFile,
    unset: "the system's roots",
    example: './vault-ca.pem',
    meaning: 'PEM, the authorities to trust instead',
  },
  VAULT_NAMESPACE: {
    value: values.vaultName,
    unset: 'none',
    example: 'operations',
    meaning: 'the namespace of Vault Enterprise that login and secrets are in',
  },
  VAULT_TOKEN: {
    value: values.vaultToken,
    unset: 'one login is required for `vault:…`',
    example: 'hvs.a-token-of-vault',
    secret: true,
    meaning: 'a token of Vault, as login',
  },
  VAULT_TOKEN_FILE: {
    value: values.secretFile(values.vaultToken),
    unset: 'one login is required for `vault:…`',
    example: './vault-token',
    meaning: 'the file that holds the token, such as the sink of a Vault agent; it is read again at each use',
  },
  VAULT_ROLE_ID: {
    value: values.vaultName,
    unset: 'one login is required for `vault:…`',
    example: '1f3a0a7e-0b5c-4b8e-9d6f-2c7e5a9b1d34',
    meaning: 'the role id, as login by AppRole',
  },
  VAULT_SECRET_ID: {
    value: values.vaultToken,
    unset: 'required for AppRole, or its file',
    example: 'a-secret-id-of-that-role',
    secret: true,
    meaning: 'the secret id of that role',
  },
  VAULT_SECRET_ID_FILE: {
    value: values.secretFile(values.vaultToken),
    unset: 'required for AppRole, or the secret id',
    example: './vault-secret-id',
    meaning: 'the file that holds the secret id; it is read again at each login',
  },
  VAULT_KUBERNETES_ROLE: {
    value: values.vaultName,
    unset: 'one login is required for `vault:…`',
    example: 'latchkey',
    meaning: "the role, as login by the pod's service account",
  },
  VAULT_KUBERNETES_TOKEN_FILE: {
    value: values.filePath,
    default: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    example: '/var/run/secrets/vault/token',
    meaning: 'the token of the service account; it is read again at each login',
  },
  VAULT_AUTH_MOUNT: {
    value: values.vaultMount,
    unset: '`approle` or `kubernetes`',
    example: 'kubernetes-berlin',
    meaning: 'where in Vault that way to log in is mounted',
  },
} as const satisfies Record<string, VariableRow<unknown>>;
