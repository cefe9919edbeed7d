import { join } from 'node:path';
import { type Program, providePrograms } from './programs.ts';

/** Where an unpacked Chromium finds letters: a bare machine has none, and then a page is empty boxes. */
const FONT_PACKAGES = ['fonts-inter', 'fonts-dejavu-core'];

/** Chromium without a window. `fonts` is the folder of those that came with it, null where it is the machine's own. */
export async function chromiumProgram(): Promise<Program & { readonly fonts: string | null }> {
  const program = await providePrograms({
    wanted: [
      {
        name: 'chromium-headless-shell',
        orElse: ['chromium', 'chromium-browser', 'google-chrome'],
        debianPackage: 'chromium-headless-shell',
        // Its tables of characters and its resources; the package names no fonts at all.
        with: ['chromium-common', ...FONT_PACKAGES],
      },
    ],
    hints: {
      macos: 'install Chromium with "brew install --cask chromium"',
      debian: 'the package could not be downloaded, so install Chromium, on Debian with "apt-get install chromium"',
      fedora: 'install Chromium with "dnf install chromium"',
      alpine: 'install Chromium with "apk add chromium"',
      other: 'install Chromium',
    },
    env: process.env,
  });
  const found = program('chromium-headless-shell');
  const { root } = found;
  if (root === '') return { ...found, fonts: null };
  // What lies in usr/bin is a script that names an installed one.
  const path = join(root, 'usr/lib/chromium/chromium-headless-shell');
  // One of its libraries has libraries of its own, in a folder that only itself knows.
  const folders = (found.env['LD_LIBRARY_PATH'] ?? '').split(':').flatMap((folder) => [folder, join(folder, 'pulseaudio')]);
  return { root, path, env: { LD_LIBRARY_PATH: folders.join(':') }, fonts: join(root, 'usr/share/fonts') };
}
