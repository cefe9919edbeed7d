import { join } from 'node:path';
import type { Problem } from './problem.ts';
import type { Environment } from './read-environment.ts';
import { SECRETS, SUPPORTED, VARIABLES } from './variables.ts';

const PREFIX = 'credential:';
/** systemd.exec(5): a name is one that a file can have. */
const NAME = /^(?!\.{1,2}$)[^/\p{Cc}]{1,255}$/u;

/**
 * What names a credential of systemd is the path of its file, in `CREDENTIALS_DIRECTORY`: `credential:NAME` stands for a secret, or for
 * the path of any file. Everything else is left as it is.
 */
export function withCredentials(environment: Environment, tell: (problem: Problem) => void): Environment {
  const given = environment['CREDENTIALS_DIRECTORY'] ?? '';
  const folder = VARIABLES.CREDENTIALS_DIRECTORY.value.read(given);
  const noFolder = given === '' ? 'CREDENTIALS_DIRECTORY is not set' : 'CREDENTIALS_DIRECTORY is not the path of a folder';
  const resolved: Record<string, string | undefined> = { ...environment };
  for (const [variable, text] of Object.entries(environment)) {
    const fileVariable = SECRETS.includes(variable) && SUPPORTED.includes(`${variable}_FILE`) ? `${variable}_FILE` : variable;
    if (!SUPPORTED.includes(variable) || text?.startsWith(PREFIX) !== true || !fileVariable.endsWith('_FILE')) continue;
    const name = text.slice(PREFIX.length).trim();
    if (!folder.ok || !NAME.test(name)) {
      tell({
        variable,
        found: NAME.test(name) ? `a credential (not shown), and ${noFolder}` : 'a credential without a name',
        expected:
          'credential:NAME, and a start by systemd with LoadCredential=NAME:PATH or LoadCredentialEncrypted=NAME:PATH; by hand, CREDENTIALS_DIRECTORY=/run/credentials/UNIT in .env',
      });
      continue;
    }
    // Where both are set, that they are is what is wrong.
    if (fileVariable !== variable && environment[fileVariable] !== undefined) continue;
    delete resolved[variable];
    resolved[fileVariable] = join(folder.value, name);
  }
  return resolved;
}
