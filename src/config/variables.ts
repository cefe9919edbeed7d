import { nearestName } from './nearest-name.ts';
import { CONTROL_PLANE } from './variables/control-plane.ts';
import { DIRECTORY } from './variables/directory.ts';
import { ENTRIES } from './variables/entries.ts';
import { POLICY } from './variables/policy.ts';
import { PROCESS } from './variables/process.ts';
import type { VariableRow } from './variables/row.ts';
import { SYNC } from './variables/sync.ts';
import { SECRET_STORES } from './variables/vault.ts';

/** Every variable that this version reads, by what it is about, in the order in which it is documented. */
export const VARIABLE_GROUPS = [
  { title: 'Control plane', rows: CONTROL_PLANE },
  { title: 'Directory', rows: DIRECTORY },
  { title: 'Users and groups', rows: ENTRIES },
  { title: 'Policy', rows: POLICY },
  { title: 'Sync', rows: SYNC },
  { title: 'Process', rows: PROCESS },
  { title: 'Where secrets are', rows: SECRET_STORES },
] as const satisfies readonly { readonly title: string; readonly rows: Readonly<Record<string, VariableRow<unknown>>> }[];

const ROWS = { ...CONTROL_PLANE, ...DIRECTORY, ...ENTRIES, ...POLICY, ...SYNC, ...PROCESS, ...SECRET_STORES };

type Rows = typeof ROWS;
export type Variable = keyof Rows;

/** What reading a variable gives. */
export type ValueOf<V extends Variable> = Rows[V] extends VariableRow<infer T> ? T : never;

/** Those that mean something where they are not set, too. */
export type VariableWithDefault = { [V in Variable]: Rows[V] extends { readonly default: string } ? V : never }[Variable];

/** The rows of {@link VARIABLE_GROUPS} by the names of their variables. */
export const VARIABLES: { readonly [V in Variable]: VariableRow<ValueOf<V>> } = ROWS;

export const SUPPORTED: readonly string[] = Object.keys(VARIABLES);

/** Those whose text must not show up anywhere. */
export const SECRETS: readonly string[] = Object.entries<VariableRow<unknown>>(VARIABLES).flatMap(([name, { secret }]) =>
  secret === true ? [name] : [],
);

/** Variables that are documented and belong to later versions: refused, since ignoring one would break what it promises. */
export const NOT_YET_SUPPORTED: readonly string[] = [];

const SUPPORTED_NAMES: ReadonlySet<string> = new Set(SUPPORTED);
const NOT_YET_SUPPORTED_NAMES: ReadonlySet<string> = new Set(NOT_YET_SUPPORTED);
/** A name that begins so is ours, and must be known. */
export const OURS = /^(?:LATCHKEY|LDAP|SYNC)_/;
/** What Kubernetes injects for a service whose name happens to begin like ours. */
export const KUBERNETES = /_(?:SERVICE_HOST|SERVICE_PORT|SERVICE_PORT_.+|PORT|PORT_\d+_.+)$/;

/** What the name of a variable means to us. `foreign`: nothing. */
export type NameVerdict =
  | { readonly kind: 'supported' | 'not_yet_supported' | 'foreign' }
  | { readonly kind: 'unknown'; readonly nearest: string };

export function judgeName(name: string): NameVerdict {
  if (SUPPORTED_NAMES.has(name)) return { kind: 'supported' };
  const inCapitals = name.toUpperCase().replace(/[.-]/g, '_');
  if (OURS.test(inCapitals) && SUPPORTED_NAMES.has(inCapitals)) return { kind: 'unknown', nearest: inCapitals };
  if (NOT_YET_SUPPORTED_NAMES.has(name)) return { kind: 'not_yet_supported' };
  if (!OURS.test(name) || KUBERNETES.test(name)) return { kind: 'foreign' };
  return { kind: 'unknown', nearest: nearestName(name, [...SUPPORTED, ...NOT_YET_SUPPORTED]) };
}
