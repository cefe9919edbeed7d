import { join } from 'node:path';
import { type Program, providePrograms } from './programs.ts';

/** systemd's checker of units. It asks no running systemd. Rejects with one sentence on what to install. */
export async function systemdAnalyze(): Promise<Program> {
  const program = await providePrograms({
    wanted: [{ name: 'systemd-analyze', debianPackage: 'systemd', with: ['libsystemd-shared'] }],
    hints: {
      macos: 'macOS has no systemd, so the unit is checked on Linux only',
      debian: 'the package could not be downloaded, so install it with "apt-get install systemd"',
      fedora: 'install it with "dnf install systemd"',
      alpine: 'Alpine has no systemd, so the unit is checked elsewhere',
      other: 'install systemd',
    },
    env: process.env,
  });
  const { path, root, env } = program('systemd-analyze');
  // Its own library lies in a folder of its own, which only an installed one finds.
  const folders = (env['LD_LIBRARY_PATH'] ?? '').split(':').flatMap((folder) => [folder, join(folder, 'systemd')]);
  return root === '' ? { path, root, env } : { path, root, env: { ...env, LD_LIBRARY_PATH: folders.join(':') } };
}
