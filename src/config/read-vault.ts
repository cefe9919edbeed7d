import type { Instant } from '../access/instant.ts';
import { fileSecret } from '../secrets/file-secret.ts';
import { askVault, type VaultServer } from '../secrets/vault/ask.ts';
import { openVault, type Vault, type VaultLogin } from '../secrets/vault/vault.ts';
import { readSecret } from './read-secret.ts';
import type { VariableReader } from './variable-reader.ts';

/** For one request; a bind waits for it. */
const TIMEOUT_MS = 5_000;

/** Vault as the variables describe it, for the secrets that refer to it; undefined where a problem was met. */
export function readVault({ reader, now }: { reader: VariableReader; now: () => Instant }): Vault | undefined {
  const address = reader.required('VAULT_ADDR');
  const ca = reader.optional('VAULT_CACERT')?.pem ?? null;
  const namespace = reader.optional('VAULT_NAMESPACE') ?? null;
  if (/^(?:1|t|true)$/i.test(reader.text('VAULT_SKIP_VERIFY') ?? ''))
    reader.problem({
      variable: 'VAULT_SKIP_VERIFY',
      found: 'true, which lets anyone pose as Vault',
      expected: 'not set; a certificate of your own goes into VAULT_CACERT',
    });
  const login = readLogin(reader);
  if (address === undefined || login === undefined) return undefined;
  const server: VaultServer = { address, ca, namespace, timeoutMs: TIMEOUT_MS };
  return openVault({ server, login, ask: askVault(server), now });
}

const LOGINS = {
  token: ['VAULT_TOKEN', 'VAULT_TOKEN_FILE'],
  approle: ['VAULT_ROLE_ID'],
  kubernetes: ['VAULT_KUBERNETES_ROLE'],
} as const satisfies Readonly<Record<VaultLogin['by'], readonly string[]>>;

function readLogin(reader: VariableReader): VaultLogin | undefined {
  const set = (Object.keys(LOGINS) as VaultLogin['by'][]).filter((by) => LOGINS[by].some((name) => reader.isSet(name)));
  const [by, ...others] = set;
  if (by === undefined || others.length > 0) {
    reader.problem({
      variable: 'VAULT_TOKEN_FILE',
      found: by === undefined ? 'not set, nor another login to Vault' : `a login to Vault, and ${set.length} of them`,
      expected:
        'one of VAULT_TOKEN_FILE (or VAULT_TOKEN), VAULT_ROLE_ID with VAULT_SECRET_ID_FILE (or VAULT_SECRET_ID), VAULT_KUBERNETES_ROLE',
    });
    return undefined;
  }
  const mount = reader.optional('VAULT_AUTH_MOUNT') ?? by;
  switch (by) {
    case 'token': {
      const token = readSecret({ variable: 'VAULT_TOKEN', reader, vault: null });
      return token === undefined ? undefined : { by, token };
    }
    case 'approle': {
      const roleId = reader.required('VAULT_ROLE_ID');
      const secretId = readSecret({ variable: 'VAULT_SECRET_ID', reader, vault: null });
      return roleId === undefined || secretId === undefined ? undefined : { by, mount, roleId, secretId };
    }
    case 'kubernetes': {
      const role = reader.required('VAULT_KUBERNETES_ROLE');
      const jwt = fileSecret(reader.orDefault('VAULT_KUBERNETES_TOKEN_FILE'));
      return role === undefined ? undefined : { by, mount, role, jwt };
    }
    default:
      return by satisfies never;
  }
}
