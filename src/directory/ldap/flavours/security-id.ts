/** A security identifier apart from its last part, which numbers the entry in its domain ([MS-DTYP] §2.4.2). */
export interface SecurityId {
  readonly domain: string;
  readonly rid: number;
}

/** Reads the binary form ([MS-DTYP] §2.4.2.2); null where it is none. */
export function readSecurityId(bytes: Uint8Array | undefined): SecurityId | null {
  const count = bytes?.[1];
  if (bytes === undefined || count === undefined || count === 0 || bytes.length !== 8 + 4 * count) return null;
  const buffer = Buffer.from(bytes);
  const parts = Array.from({ length: count }, (_, i) => buffer.readUInt32LE(8 + 4 * i));
  const rid = parts.at(-1) ?? 0;
  return { domain: ['S', buffer.readUInt8(0), buffer.readUIntBE(2, 6), ...parts.slice(0, -1)].join('-'), rid };
}

/** The groups of each domain that rule over it, by the last part of their SID ([MS-DTYP] §2.4.2.4). */
const PRIVILEGED_OF_DOMAIN: ReadonlyMap<number, string> = new Map([
  [498, 'Enterprise Read-only Domain Controllers'],
  [512, 'Domain Admins'],
  [516, 'Domain Controllers'],
  [517, 'Cert Publishers'],
  [518, 'Schema Admins'],
  [519, 'Enterprise Admins'],
  [520, 'Group Policy Creator Owners'],
  [521, 'Read-only Domain Controllers'],
  [526, 'Key Admins'],
  [527, 'Enterprise Key Admins'],
]);

/** The same of the built-in domain, `S-1-5-32`. */
const PRIVILEGED_BUILT_IN: ReadonlyMap<number, string> = new Map([
  [544, 'Administrators'],
  [548, 'Account Operators'],
  [549, 'Server Operators'],
  [550, 'Print Operators'],
  [551, 'Backup Operators'],
  [552, 'Replicator'],
  [557, 'Incoming Forest Trust Builders'],
  [578, 'Hyper-V Administrators'],
]);

/** What every domain calls this group that rules over it; null for any other. */
export function privilegedGroup({ domain, rid }: SecurityId): string | null {
  return (domain === 'S-1-5-32' ? PRIVILEGED_BUILT_IN : PRIVILEGED_OF_DOMAIN).get(rid) ?? null;
}
