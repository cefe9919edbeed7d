import { fileSecret, fixedSecret } from '../secrets/file-secret.ts';
import type { SecretSource } from '../secrets/secret-source.ts';
import type { VariableReader } from './variable-reader.ts';
import { VARIABLES } from './variables.ts';

/** The source of a required secret, which is in one of two variables: itself, or the path of its file. */
export function readSecret({
  variable,
  fileVariable,
  reader,
}: {
  variable: 'LATCHKEY_CONTROL_PLANE_TOKEN' | 'LDAP_BIND_PASSWORD';
  fileVariable: 'LATCHKEY_CONTROL_PLANE_TOKEN_FILE' | 'LDAP_BIND_PASSWORD_FILE';
  reader: VariableReader;
}): SecretSource | undefined {
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
  return text === undefined ? undefined : fixedSecret(text);
}
