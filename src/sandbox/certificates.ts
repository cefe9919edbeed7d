import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Program } from './programs.ts';
import { runProgram } from './run-program.ts';

export type Certificates = { caFile: string; certificateFile: string; keyFile: string };

// A configuration of our own, since an unpacked openssl has none, and since LibreSSL (macOS) knows no -addext.
const configuration = (name: string | undefined) => `
[req]
distinguished_name = name
prompt = no
[name]
CN = Latchkey sandbox CA
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1${name === undefined ? '' : `, DNS:${name}`}
`;

/**
 * Makes a certificate authority and a server certificate for this machine's loopback names, and one more if given (EC P-256, a year),
 * in a folder that must exist and be private. The authority's key is deleted, so that nobody can sign with it later.
 */
export async function makeCertificates(options: {
  openssl: Program;
  folder: string;
  name?: string | undefined;
  env: NodeJS.ProcessEnv;
}): Promise<Certificates> {
  const { openssl, folder } = options;
  const file = (name: string) => join(folder, name);
  const config = file('openssl.cnf');
  await writeFile(config, configuration(options.name));
  const env = { ...options.env, ...openssl.env, OPENSSL_CONF: config };
  const run = async (...args: string[]) => {
    const result = await runProgram({ path: openssl.path, args, env, cwd: folder });
    if (result.code !== 0) throw new Error(`openssl ${args.join(' ')}: ${result.stderr.trim()}`);
  };

  const newKey = ['-config', config, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-sha256'];
  await run('req', '-x509', ...newKey, '-extensions', 'ca', '-days', '365', '-keyout', file('ca.key'), '-out', file('ca.pem'));
  await run('req', ...newKey, '-subj', '/CN=localhost', '-keyout', file('server.key'), '-out', file('server.csr'));
  const serial = `0x${randomBytes(8).toString('hex')}`;
  const signing = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-set_serial', serial, '-days', '365', '-sha256'];
  const extensions = ['-extfile', config, '-extensions', 'server'];
  await run('x509', '-req', '-in', file('server.csr'), ...signing, ...extensions, '-out', file('server.pem'));
  await Promise.all(['ca.key', 'server.csr', 'openssl.cnf'].map((name) => rm(file(name))));
  return { caFile: file('ca.pem'), certificateFile: file('server.pem'), keyFile: file('server.key') };
}
