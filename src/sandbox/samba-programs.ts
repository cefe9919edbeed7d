import { join } from 'node:path';
import { type Program, providePrograms } from './programs.ts';

export type SambaPrograms = {
  /** '' for the system's own, else the folder it was unpacked into. */
  root: string;
  /** The command that runs another in this folder, where Samba and Python lie beneath /usr; given their names there. */
  command: (folder: string, words: readonly string[]) => { path: string; args: string[] };
};

// Samba's modules have compiled-in paths, so an unpacked copy is laid over /usr, for its processes only.
const withCopyOverUsr = `root=$1 folder=$2 libraries=$3
shift 3
if [ -n "$root" ]; then
  cd "$root" && "$MOUNT" -t overlay overlay -o lowerdir=usr:/usr /usr || exit 111
fi
cd "$folder" && exec /usr/bin/env -u MOUNT \${libraries:+"LD_LIBRARY_PATH=$libraries"} "$@"`;

/**
 * Samba's AD DC, Python for its provisioning, and what lays them over /usr: as root in a mount namespace, else in a user namespace
 * as well. Rejects with one sentence on what to install.
 */
export async function sambaPrograms(): Promise<SambaPrograms> {
  const hints = {
    macos: 'the Samba of Homebrew is no AD DC, so these tests need Linux',
    debian: 'the packages could not be downloaded, so install them with "apt-get install samba-ad-dc samba-ad-provision"',
    fedora: 'install it with "dnf install samba-dc"',
    alpine: 'install it with "apk add samba-dc py3-samba"',
    other: 'Samba is needed, built as an Active Directory domain controller',
  };
  const samba = await providePrograms({
    wanted: [{ name: 'samba', debianPackage: 'samba-ad-dc', with: ['samba-dsdb-modules', 'samba-ad-provision'] }],
    dependencies: /^(?:samba|tdb|python3)/,
    hints,
    env: process.env,
  });
  const find = await providePrograms({
    wanted: [
      { name: 'unshare', debianPackage: 'util-linux' },
      { name: 'mount', debianPackage: 'mount' },
    ],
    hints: { ...hints, debian: 'install them with "apt-get install util-linux mount"' },
    env: process.env,
  });
  const { root, env } = samba('samba');
  const namespaces = process.getuid?.() === 0 ? ['-m'] : ['-U', '-r', '-m'];
  return {
    root,
    command: (folder, words) => ({
      path: '/usr/bin/env',
      args: [
        `MOUNT=${find('mount').path}`,
        find('unshare').path,
        ...namespaces,
        '--propagation',
        'private',
        '--',
        'sh',
        '-c',
        withCopyOverUsr,
        'sh',
        root,
        folder,
        librariesOutsideUsr({ path: '', root, env }),
        ...words,
      ],
    }),
  };
}

/** Some packages of Debian 12 and before put libraries beneath /lib, which is not beneath the copy of /usr. */
function librariesOutsideUsr({ root, env }: Program): string {
  const folders = (env['LD_LIBRARY_PATH'] ?? '').split(':');
  return folders.filter((folder) => folder.startsWith(join(root, 'lib', '/'))).join(':');
}
