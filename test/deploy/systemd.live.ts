import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runProgram } from '../../src/sandbox/run-program.ts';
import { systemdAnalyze } from '../../src/sandbox/systemd-programs.ts';
import { projectFile } from '../support/deployment.ts';

const UNIT = 'deploy/systemd/latchkey.service';
/** Of 100, where systemd itself calls 50 and more "medium"; a unit that says nothing comes to 96. */
const MOST_EXPOSED = 15;

/** Runs systemd-analyze on a unit of that text, as it would be found here. */
async function analyzed(command: readonly string[], text = projectFile(UNIT)): Promise<{ code: number | null; said: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-systemd-'));
  try {
    const unit = join(folder, 'latchkey.service');
    // The place where it is to be installed is not there.
    await writeFile(unit, text.replace('/opt/latchkey/', `${join(import.meta.dirname, '../..')}/`));
    const { path, env } = await systemdAnalyze();
    const told = { path, args: [...command, unit], env: { ...process.env, ...env, LC_ALL: 'C' }, cwd: folder };
    const { code, stdout, stderr } = await runProgram(told);
    return { code, said: `${stdout}${stderr}` };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('systemd finds nothing wrong with the unit', async () => {
  assert.deepEqual(await analyzed(['verify', '--man=no']), { code: 0, said: '' });
});

test('systemd finds a misspelt setting and one that means nothing', async () => {
  const text = projectFile(UNIT);
  const misspelt = await analyzed(['verify', '--man=no'], text.replace('ProtectSystem=', 'ProtectSytem='));
  assert.match(misspelt.said, /ProtectSytem/);
  const meaningless = await analyzed(['verify', '--man=no'], text.replace('Restart=on-failure', 'Restart=sometimes'));
  assert.match(meaningless.said, /sometimes/);
});

test('systemd counts the unit among those that are exposed least', async () => {
  const { code, said } = await analyzed(['security', '--offline=true', `--threshold=${MOST_EXPOSED}`]);
  assert.equal(code, 0, said);
  const open = projectFile(UNIT).replaceAll(/^(?:Protect|Private|Restrict|Capability|SystemCall).*$/gm, '');
  assert.notEqual((await analyzed(['security', '--offline=true', `--threshold=${MOST_EXPOSED}`], open)).code, 0);
});
