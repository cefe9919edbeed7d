/** Variables that this version reads. */
export const SUPPORTED = [
  'LATCHKEY_CONTROL_PLANE_URL',
  'LATCHKEY_CONTROL_PLANE_TOKEN',
  'LATCHKEY_CONTROL_PLANE_TOKEN_FILE',
  'LATCHKEY_CONTROL_PLANE_CA_FILE',
  'LATCHKEY_CONTROL_PLANE_CERT_FILE',
  'LATCHKEY_CONTROL_PLANE_KEY_FILE',
  'LATCHKEY_CONNECTOR_ID',
  'LATCHKEY_NAME',
  'HTTPS_PROXY',
  'NO_PROXY',
  'LDAP_URL',
  'LDAP_START_TLS',
  'LDAP_CA_FILE',
  'LDAP_BIND',
  'LDAP_CERT_FILE',
  'LDAP_KEY_FILE',
  'LDAP_BIND_DN',
  'LDAP_BIND_PASSWORD',
  'LDAP_BIND_PASSWORD_FILE',
  'LDAP_ALLOW_CLEARTEXT',
  'LDAP_DOMAIN',
  'LDAP_BASE_DN',
  'LDAP_GROUPS_SCOPE',
  'LDAP_USERS_SCOPE',
  'LDAP_GROUP_FILTER',
  'LDAP_USER_FILTER',
  'LDAP_USER_EMAIL_ATTRIBUTE',
  'LDAP_USERNAME_ATTRIBUTE',
  'LDAP_FULL_NAME_ATTRIBUTE',
  'LDAP_GROUP_NAME_ATTRIBUTE',
  'LDAP_MANAGER_ATTRIBUTE',
  'LDAP_OWNER_ATTRIBUTE',
  'LDAP_MEMBER_ATTRIBUTE',
  'LDAP_FLAVOUR',
  'LDAP_PLACEHOLDER_MEMBER',
  'LDAP_REFERRALS',
  'LDAP_CONNECT_TIMEOUT',
  'LDAP_READ_TIMEOUT',
  'LDAP_PAGE_SIZE',
  'LATCHKEY_MAX_GRANT',
  'LATCHKEY_MAX_PENDING',
  'LATCHKEY_PROTECTED_GROUPS',
  'LATCHKEY_UNPROTECTED_GROUPS',
  'LATCHKEY_DRIFT',
  'SYNC_SCHEDULE',
  'SYNC_FULL_SCHEDULE',
  'SYNC_TIMEZONE',
  'SYNC_MAX_REMOVED',
  'LATCHKEY_STATE_DIR',
  'LATCHKEY_RETENTION',
  'LATCHKEY_HTTP_ADDR',
  'LATCHKEY_LOG_LEVEL',
  'LATCHKEY_LOG_FORMAT',
  'LATCHKEY_SHUTDOWN_GRACE',
] as const;

export type Variable = (typeof SUPPORTED)[number];

/** Variables that are documented and belong to later versions: refused, since ignoring one would break what it promises. */
export const NOT_YET_SUPPORTED = [
  'LATCHKEY_CONTROL_PLANE_PIN',
  'LATCHKEY_JOB_KEYS_FILE',
  'LDAP_PIN',
  'LATCHKEY_MAX_GRANTS_PER_MINUTE',
  'LATCHKEY_POLICY_FILE',
  'LATCHKEY_BACKUP_DIR',
] as const;

const SUPPORTED_NAMES: ReadonlySet<string> = new Set(SUPPORTED);
const NOT_YET_SUPPORTED_NAMES: ReadonlySet<string> = new Set(NOT_YET_SUPPORTED);
const OURS = /^(?:LATCHKEY|LDAP|SYNC)_/;
/** What Kubernetes injects for a service whose name happens to begin like ours. */
const KUBERNETES = /_(?:SERVICE_HOST|SERVICE_PORT|SERVICE_PORT_.+|PORT|PORT_\d+_.+)$/;

/** What the name of a variable means to us. `foreign`: nothing. */
export type NameVerdict =
  | { readonly kind: 'supported' | 'not_yet_supported' | 'foreign' }
  | { readonly kind: 'unknown'; readonly nearest: string };

export function judgeName(name: string): NameVerdict {
  if (SUPPORTED_NAMES.has(name)) return { kind: 'supported' };
  if (NOT_YET_SUPPORTED_NAMES.has(name)) return { kind: 'not_yet_supported' };
  if (!OURS.test(name) || KUBERNETES.test(name)) return { kind: 'foreign' };
  return { kind: 'unknown', nearest: nearestName(name) };
}

function nearestName(name: string): string {
  let nearest = '';
  let least = Number.POSITIVE_INFINITY;
  for (const known of [...SUPPORTED, ...NOT_YET_SUPPORTED]) {
    const distance = editDistance(name, known);
    if (distance < least) {
      least = distance;
      nearest = known;
    }
  }
  return nearest;
}

/** Levenshtein's distance; both texts are cut at 256 characters, far beyond any name. */
function editDistance(one: string, other: string): number {
  const columns = other.slice(0, 256);
  let above = Array.from({ length: columns.length + 1 }, (_, column) => column);
  for (const [row, char] of Array.from(one.slice(0, 256)).entries()) {
    const current = [row + 1];
    for (let column = 1; column <= columns.length; column += 1) {
      const replaced = (above[column - 1] ?? 0) + (columns.charAt(column - 1) === char ? 0 : 1);
      current.push(Math.min(replaced, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[columns.length] ?? 0;
}
