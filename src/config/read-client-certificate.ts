import type { Instant } from '../access/instant.ts';
import {
  type ClientCertificateFiles,
  type ClientCertificateSource,
  clientCertificateFiles,
  readClientCertificate,
} from '../secrets/client-certificate.ts';
import { type ConfigWarning, shown } from './problem.ts';
import type { VariableReader } from './variable-reader.ts';

/** The source of a client certificate, which two variables name the files of; null where neither is set, or a problem was met. */
export function readClientCertificateFiles({
  certVariable,
  keyVariable,
  reader,
  warnings,
  now,
}: {
  certVariable: 'LATCHKEY_CONTROL_PLANE_CERT_FILE' | 'LDAP_CERT_FILE';
  keyVariable: 'LATCHKEY_CONTROL_PLANE_KEY_FILE' | 'LDAP_KEY_FILE';
  reader: VariableReader;
  warnings: ConfigWarning[];
  now: () => Instant;
}): ClientCertificateSource | null {
  const certificate = reader.optional(certVariable);
  const keyFile = reader.optional(keyVariable);
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
    switch (read.of) {
      case 'dates':
        // A connector that does not start ends nothing on time; one that is not let in still does what needs nobody.
        warnings.push({ variable: certVariable, message: `${shown(certificate.path)} ${read.problem}; have it renewed` });
        break;
      case 'certificate':
        reader.problem({
          variable: certVariable,
          found: `${shown(certificate.path)}, which ${read.problem}`,
          expected: "the path of a file in PEM that holds the connector's own certificate first",
        });
        break;
      case 'key':
        reader.problem({
          variable: keyVariable,
          found: `${shown(keyFile)}, which ${read.problem}`,
          expected: `the private key of the certificate in ${certVariable}, where the connector's own certificate comes first`,
        });
        break;
      default:
        read.of satisfies never;
    }
  return clientCertificateFiles(files);
}
