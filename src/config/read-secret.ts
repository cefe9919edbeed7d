import { fileSecret, fixedSecret } from '../secrets/file-secret.ts';
import type { SecretSource } from '../secrets/secret-source.ts';
import { secretFile, type Value } from './values.ts';
import type { VariableReader } from './variable-reader.ts';
import type { Variable } from './variables.ts';

/** The source of a required secret, which is in one of two variables: itself, or the path of its file. */
export function readSecret({
  variable,
  fileVariable,
  kind,
  reader,
}: {
  variable: Variable;
  fileVariable: Variable;
  kind: Value<string>;
  reader: VariableReader;
}): SecretSource | undefined {
  if (reader.isSet(variable) && reader.isSet(fileVariable)) {
    reader.problem({ variable, found: `set, and ${fileVariable} too`, expected: 'only one of the two' });
    return undefined;
  }
  if (reader.isSet(fileVariable)) {
    const path = reader.optional(fileVariable, secretFile(kind));
    return path === undefined ? undefined : fileSecret(path);
  }
  if (!reader.isSet(variable)) {
    reader.problem({
      variable,
      found: 'not set',
      expected: `${kind.expected}; or ${fileVariable}, the path of a file that holds it`,
    });
    return undefined;
  }
  const text = reader.secret(variable, kind);
  return text === undefined ? undefined : fixedSecret(text);
}
