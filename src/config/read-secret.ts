import { fileSecret, fixedSecret } from '../secrets/file-secret.ts';
import type { SecretSource } from '../secrets/secret-source.ts';
import { isVaultReference, parseVaultReference } from '../secrets/vault/reference.ts';
import type { Vault } from '../secrets/vault/vault.ts';
import type { VariableReader } from './variable-reader.ts';
import { VARIABLES } from './variables.ts';

type SecretVariable = 'LATCHKEY_CONTROL_PLANE_TOKEN' | 'LDAP_BIND_PASSWORD' | 'VAULT_TOKEN' | 'VAULT_SECRET_ID';

/** Where Vault is, asked for only where something refers to it; undefined where its variables have a problem, which is told then. */
export type VaultWhereNeeded = () => Vault | undefined;

/** The source of a required secret, which is in one of two variables: itself or a reference to it, or the path of its file. */
export function readSecret({
  variable,
  reader,
  vault,
}: {
  variable: SecretVariable;
  reader: VariableReader;
  /** Null: it cannot be in Vault. */
  vault: VaultWhereNeeded | null;
}): SecretSource | undefined {
  const fileVariable: `${SecretVariable}_FILE` = `${variable}_FILE`;
  if (reader.isSet(variable) && reader.isSet(fileVariable)) {
    reader.problem({ variable, found: `set, and ${fileVariable} too`, expected: 'only one of the two' });
    return undefined;
  }
  if (reader.isSet(fileVariable)) {
    const path = reader.optional(fileVariable);
    return path === undefined ? undefined : fileSecret(path);
  }
  if (!reader.isSet(variable)) {
    reader.problem({
      variable,
      found: 'not set',
      expected: `${VARIABLES[variable].value.expected}; or ${fileVariable}, the path of a file that holds it`,
    });
    return undefined;
  }
  const text = reader.optional(variable);
  if (text === undefined) return undefined;
  return vault !== null && isVaultReference(text) ? inVault({ variable, text, vault }) : fixedSecret(text);
}

function inVault({
  variable,
  text,
  vault,
}: {
  variable: SecretVariable;
  text: string;
  vault: VaultWhereNeeded;
}): SecretSource | undefined {
  const reference = parseVaultReference(text);
  if (!reference.ok) return undefined;
  const { read } = VARIABLES[variable].value;
  // A field that holds a reference again is a secret like any other, and no more.
  return vault()?.secret(reference.value, (found) => !isVaultReference(found) && read(found).ok);
}
