import { leastRights } from '../connector/preflight.ts';
import { DirectoryError } from '../directory/directory.ts';
import { configured } from './configured.ts';
import { EXIT } from './exit-code.ts';

/** Prints the least rights that the connector's account needs: nothing on stdout but what can be pasted. */
export async function acl(): Promise<number> {
  const known = configured({ logs: 'stderr', needsControlPlane: false });
  if (known === null) return EXIT.configuration;
  const { config, log, scrubber } = known;
  try {
    const rules = await leastRights({ config, log, learnSecret: scrubber.learn });
    if (rules.ok) process.stdout.write(rules.value);
    else process.stderr.write(`latchkey: ${rules.problem}\n`);
    return rules.ok ? EXIT.ok : EXIT.configuration;
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    const without = 'With LDAP_FLAVOUR, and LDAP_BASE_DN or LDAP_DOMAIN, the directory need not be asked.';
    process.stderr.write(`latchkey: ${scrubber.text(error.message)} ${without}\n`);
    return EXIT.unavailable;
  }
}
