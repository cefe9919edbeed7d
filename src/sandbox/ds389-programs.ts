import { join } from 'node:path';
import { type Program, providePrograms } from './programs.ts';

export type Ds389Programs = (name: 'ns-slapd' | 'certutil' | 'pk12util') => Program;

/** 389 Directory Server and the tools of its certificate store. Rejects with one sentence on what to install. */
export async function ds389Programs(): Promise<Ds389Programs> {
  const find = await providePrograms({
    wanted: [
      { name: 'ns-slapd', debianPackage: '389-ds-base' },
      { name: 'certutil', debianPackage: 'libnss3-tools' },
      { name: 'pk12util', debianPackage: 'libnss3-tools' },
    ],
    dependencies: /^389-ds-base-libs$/,
    hints: {
      macos: '389 Directory Server does not run on macOS',
      debian: 'the packages could not be downloaded, so install them with "apt-get install 389-ds-base libnss3-tools"',
      fedora: 'install it with "dnf install 389-ds-base nss-tools"',
      alpine: '389 Directory Server has no package there',
      other: '389 Directory Server and the tools of NSS are needed',
    },
    env: process.env,
  });
  return (name) => {
    const program = find(name);
    const folders = (program.env['LD_LIBRARY_PATH'] ?? '').split(':').filter((folder) => folder !== '');
    if (folders.length === 0) return program;
    // The server's own libraries, and the modules that NSS loads by name, lie beneath the machine's folder.
    const own = folders.flatMap((folder) => [join(folder, 'dirsrv'), join(folder, 'dirsrv/plugins'), join(folder, 'nss')]);
    return { ...program, env: { ...program.env, LD_LIBRARY_PATH: [...own, ...folders].join(':') } };
  };
}
