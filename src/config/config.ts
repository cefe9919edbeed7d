import type { AccountName } from '../access/account-name.ts';
import type { Dn } from '../access/dn.ts';
import type { Filter } from '../access/filter.ts';
import type { KeyPin } from '../access/key-pin.ts';
import type { MemberAttribute } from '../access/membership.ts';
import type { DriftAction } from '../access/policy.ts';
import type { GroupRef } from '../access/reference.ts';
import type { FlavourName } from '../directory/ldap/flavours/names.ts';
import type { JobKey } from '../protocol/job-keys.ts';
import type { ClientCertificateSource } from '../secrets/client-certificate.ts';
import type { SecretSource } from '../secrets/secret-source.ts';
import type { PolicyFile } from './read-policy-file.ts';

/** PEM certificates that were read from a file and could be parsed. */
export interface CertificateFile {
  readonly path: string;
  readonly pem: string;
}

/** Public keys that were read from a JWKS file, at least one. */
export interface JobKeysFile {
  readonly path: string;
  readonly keys: readonly JobKey[];
}

/** The proxy on the way to the control plane; `credentials` gives `user:password`, and is null where the proxy asks for none. */
export interface ProxyConfig {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly credentials: SecretSource | null;
}

export interface ControlPlaneConfig {
  /** `wss://…`, or `ws://…` to a loopback address. */
  readonly url: string;
  readonly token: SecretSource;
  /** Null: the system's roots. */
  readonly ca: CertificateFile | null;
  /** Keys of which the server must have one, beside a certificate that is trusted; empty: any. */
  readonly pins: readonly KeyPin[];
  /** Null: the connector shows none. */
  readonly clientCertificate: ClientCertificateSource | null;
  /** Null: the control plane is reached directly. */
  readonly proxy: ProxyConfig | null;
  /** Null: jobs are taken without a signature. */
  readonly jobKeys: JobKeysFile | null;
  /** Null: the one that the ledger keeps, at first the host name. */
  readonly connectorId: string | null;
  /** Null: the connector id. */
  readonly name: string | null;
}

/** How the connection to the directory is protected; `none` is refused by `loadConfig` where the bind would be readable. */
export type DirectorySecurity = 'tls' | 'start_tls' | 'none';

/** One server of LDAP_URL. */
export interface DirectoryServer {
  readonly host: string;
  readonly port: number;
  readonly security: DirectorySecurity;
}

/** How the connector proves who it is; with `external` by its client certificate, and `account` says whom that must stand for. */
export type DirectoryBind =
  | { readonly mechanism: 'simple'; readonly account: AccountName; readonly password: SecretSource }
  | { readonly mechanism: 'external'; readonly account: AccountName | null };

export interface DirectoryConfig {
  /** At least one; the first is tried first. */
  readonly servers: readonly DirectoryServer[];
  /** Null: the system's roots. */
  readonly ca: CertificateFile | null;
  /** Keys of which a server must have one, beside a certificate that is trusted; empty: any. */
  readonly pins: readonly KeyPin[];
  /** Null: the connector shows none. */
  readonly clientCertificate: ClientCertificateSource | null;
  readonly bind: DirectoryBind;
  /** What becomes of a referral to another server of LDAP_URL. */
  readonly referrals: 'ignore' | 'follow';
  /** Null: the naming context that the root DSE gives. */
  readonly baseDn: Dn | null;
  /** Null: the base DN. */
  readonly groupsScope: readonly Dn[] | null;
  readonly usersScope: readonly Dn[] | null;
  /** Added to the built-in ones; null: nothing is added. */
  readonly groupFilter: Filter | null;
  readonly userFilter: Filter | null;
  readonly userEmailAttribute: string;
  /** Null: as the root DSE tells. */
  readonly flavour: FlavourName | null;
  /** Null: the flavour's. */
  readonly usernameAttribute: string | null;
  readonly groupNameAttribute: string | null;
  readonly fullNameAttribute: string | null;
  readonly ownerAttribute: string | null;
  readonly managerAttribute: string;
  /** Null: by each group's object classes. */
  readonly memberAttribute: MemberAttribute | null;
  /** The empty name is nobody. */
  readonly placeholderMember: Dn;
  /** TCP, TLS and bind together. */
  readonly connectTimeoutMs: number;
  /** One operation, or one page of it. */
  readonly readTimeoutMs: number;
  /** Entries a page, where a whole directory is read. */
  readonly pageSize: number;
}

export interface PolicyConfig {
  readonly maxGrantMs: number;
  /** New grants and extensions. */
  readonly maxGrantsPerMinute: number;
  /** LATCHKEY_POLICY_FILE; null for none. */
  readonly file: PolicyFile | null;
  readonly maxPendingMs: number;
  readonly protectedGroups: readonly GroupRef[];
  /** Those of the built-in privileged groups that may be granted all the same. */
  readonly unprotectedGroups: readonly GroupRef[];
  /** What is done about a membership that vanished under an active grant. */
  readonly drift: DriftAction;
}

export interface SyncConfig {
  /** Cron expressions of five or six fields; null: never by itself. */
  readonly schedule: string | null;
  readonly fullSchedule: string | null;
  /** Of both; a name of the IANA data base. */
  readonly timezone: string;
  /** A run that would remove more of what was published last is held. */
  readonly maxRemovedPercent: number;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_FORMATS = ['json', 'pretty', 'ecs'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export interface ProcessConfig {
  /** As given; relative to the working directory. */
  readonly stateDir: string;
  /** Null: backups are kept in the state directory alone. */
  readonly backupDir: string | null;
  readonly retentionMs: number;
  /** Null: no HTTP endpoint. Port 0 takes a free one. */
  readonly http: { readonly host: string; readonly port: number } | null;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  readonly shutdownGraceMs: number;
}

/** Everything that the environment says, checked; frozen all through. A secret is in it only as its source. */
export interface Config {
  readonly controlPlane: ControlPlaneConfig;
  readonly directory: DirectoryConfig;
  readonly policy: PolicyConfig;
  readonly sync: SyncConfig;
  readonly process: ProcessConfig;
}
