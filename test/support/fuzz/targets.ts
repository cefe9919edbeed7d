import type { FuzzTarget } from './target.ts';

/** What is fuzzed. Each is loaded where it is run. */
export const TARGETS = {
  frames: async () => (await import('./frames.ts')).frames(),
  jobs: async () => (await import('./jobs.ts')).jobs(),
  'signed-jobs': async () => (await import('./signed-jobs.ts')).signedJobs(),
  policy: async () => (await import('./policy.ts')).policy(),
  configuration: async () => (await import('./configuration.ts')).configuration(),
  'ldap-reader': async () => (await import('./ldap-reader.ts')).ldapReader(),
  'ldap-session': async () => (await import('./ldap-session.ts')).ldapSession(),
} satisfies Readonly<Record<string, () => Promise<FuzzTarget>>>;

export type FuzzName = keyof typeof TARGETS;
