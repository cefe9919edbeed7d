import type { Instant } from '../access/instant.ts';
import {
  type ClientCertificateFiles,
  type ClientCertificateSource,
  clientCertificateFiles,
  readClientCertificate,
} from '../secrets/client-certificate.ts';
import { shown } from './problem.ts';
import * as values from './values.ts';
import type { VariableReader } from './variable-reader.ts';
import type { Variable } from './variables.ts';

/** The source of a client certificate, which two variables name the files of; null where neither is set, or a problem was met. */
export function readClientCertificateFiles({
  certVariable,
  keyVariable,
  reader,
  now,
}: {
  certVariable: Variable;
  keyVariable: Variable;
  reader: VariableReader;
  now: () => Instant;
}): ClientCertificateSource | null {
  const certificate = reader.optional(certVariable, values.certificateFile);
  const keyFile = reader.optional(keyVariable, values.secretFile(values.privateKey));
  for (const [variable, other] of [
    [certVariable, keyVariable],
    [keyVariable, certVariable],
  ] as const) {
    if (!reader.isSet(variable) && reader.isSet(other))
      reader.problem({ variable, found: `not set, and ${other} is`, expected: 'both of them, or none' });
  }
  if (certificate === undefined || keyFile === undefined) return null;
  const files: ClientCertificateFiles = { certFile: certificate.path, keyFile, now };
  const read = readClientCertificate(files);
  if (!read.ok)
    reader.problem({
      variable: read.of === 'key' ? keyVariable : certVariable,
      found: `${shown(read.of === 'key' ? keyFile : certificate.path)}, which ${read.problem}`,
      expected:
        read.of === 'key'
          ? `the private key of the certificate in ${certVariable}, where the connector's own certificate comes first`
          : 'a certificate that has not expired: have it renewed, or correct the clock of this machine',
    });
  return clientCertificateFiles(files);
}
