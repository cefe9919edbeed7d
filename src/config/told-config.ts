import { createHash } from 'node:crypto';
import { formatFilter } from '../access/filter.ts';
import type { GroupRef } from '../access/reference.ts';
import type {
  CertificateFile,
  Config,
  ControlPlaneConfig,
  DirectoryBind,
  DirectoryConfig,
  PolicyConfig,
  ProcessConfig,
  SyncConfig,
} from './config.ts';

/** Of every field something is told. A secret is in the configuration only as a function, which no record can hold. */
type Told<T> = Readonly<Record<keyof T, unknown>>;

const SECRET = 'set';

/** The configuration as the audit trail keeps it: all that decides what the connector does, and of a secret that it is set. */
export function toldConfig({ controlPlane, directory, policy, sync, process }: Config): Told<Config> {
  return {
    controlPlane: toldControlPlane(controlPlane),
    directory: toldDirectory(directory),
    policy: toldPolicy(policy),
    sync: { ...sync } satisfies Told<SyncConfig>,
    process: { ...process } satisfies Told<ProcessConfig>,
  };
}

function toldControlPlane({
  url,
  ca,
  pins,
  clientCertificate,
  proxy,
  jobKeys,
  connectorId,
  name,
}: ControlPlaneConfig): Told<ControlPlaneConfig> {
  return {
    url,
    token: SECRET,
    ca: toldCertificates(ca),
    pins,
    clientCertificate: clientCertificate === null ? null : SECRET,
    jobKeys: jobKeys === null ? null : { path: jobKeys.path, keys: jobKeys.keys.map(({ kid, jwk }) => ({ kid, ...jwk })) },
    proxy:
      proxy === null
        ? null
        : {
            scheme: proxy.scheme,
            host: proxy.host,
            port: proxy.port,
            credentials: proxy.credentials === null ? null : SECRET,
          },
    connectorId,
    name,
  };
}

function toldDirectory(directory: DirectoryConfig): Told<DirectoryConfig> {
  const { ca, clientCertificate, bind, groupFilter, userFilter, ...others } = directory;
  return {
    ...others,
    ca: toldCertificates(ca),
    clientCertificate: clientCertificate === null ? null : SECRET,
    bind: toldBind(bind),
    groupFilter: groupFilter === null ? null : formatFilter(groupFilter),
    userFilter: userFilter === null ? null : formatFilter(userFilter),
  };
}

function toldBind(bind: DirectoryBind): unknown {
  const account = bind.account?.text ?? null;
  return bind.mechanism === 'simple'
    ? { mechanism: bind.mechanism, account, password: SECRET }
    : { mechanism: bind.mechanism, account };
}

function toldPolicy({ protectedGroups, unprotectedGroups, file, ...others }: PolicyConfig): Told<PolicyConfig> {
  const told = file === null ? null : { path: file.path, sha256: file.sha256 };
  return {
    ...others,
    file: told,
    protectedGroups: protectedGroups.map(toldGroup),
    unprotectedGroups: unprotectedGroups.map(toldGroup),
  };
}

function toldGroup(ref: GroupRef): unknown {
  return { ...ref };
}

/** Other authorities under the same name are another trust: the hash tells them apart. */
function toldCertificates(file: CertificateFile | null): unknown {
  if (file === null) return null;
  return { path: file.path, sha256: createHash('sha256').update(file.pem).digest('hex') };
}
