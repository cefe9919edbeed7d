import type { Problem } from './problem.ts';
import type { Environment } from './read-environment.ts';

/** Options of Node.js that change how much memory it takes, what it trusts beside our own files, and what it says of itself. */
const HARMLESS =
  /^--(?:max-old-space-size(?:-percentage)?|max-semi-space-size|stack-trace-limit|use-(?:system|openssl|bundled)-ca|dns-result-order|(?:no-)?network-family-autoselection|network-family-autoselection-attempt-timeout|tls-min-v1\.[23]|enable-fips|force-fips|(?:no-)?warnings|disable-warning|trace-(?:warnings|deprecation|uncaught|exit)|disable-proto|disable-sigusr1|disallow-code-generation-from-strings|no-addons)$/;

/**
 * What the environment may tell Node.js itself. Other options load code into this process, open an inspector, write what is in its
 * memory to files or log what is sent; none of them belongs to a process that holds an admin account.
 */
export function judgeNodeSwitches(environment: Environment, tell: (problem: Problem) => void): void {
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    tell({
      variable: 'NODE_TLS_REJECT_UNAUTHORIZED',
      found: '"0", which lets anyone pose as the directory or the control plane',
      expected: 'not set; a certificate of your own goes into LDAP_CA_FILE or LATCHKEY_CONTROL_PLANE_CA_FILE',
    });
  // Node.js takes quotes, and backslashes between them, out of the words.
  const words = (environment['NODE_OPTIONS'] ?? '').replace(/["\\]/g, '').split(/\s+/);
  const options = words.filter((word) => word.startsWith('-'));
  const other = options.find((word) => !HARMLESS.test(word.replace(/=.*$/s, '').replaceAll('_', '-')));
  if (other !== undefined)
    tell({
      variable: 'NODE_OPTIONS',
      found: `${/^--?[\w-]{1,60}/.exec(other)?.[0] ?? 'an option'}, which this process does not take from the environment`,
      expected:
        'no option that loads code, opens an inspector, writes reports or widens the permissions; those of memory and CAs, such as --max-old-space-size=256, are taken',
    });
  if ((environment['NODE_DEBUG'] ?? '') !== '')
    tell({ variable: 'NODE_DEBUG', found: 'set, which prints what is sent, secrets included', expected: 'not set' });
}
