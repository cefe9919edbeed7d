import assert from 'node:assert/strict';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { keepJobSigner } from '../../src/control-plane/job-signer.ts';
import { jobSignatures } from '../../src/link/job-signatures.ts';
import { type JobKey, parseJobKeys } from '../../src/protocol/job-keys.ts';
import { temporaryFolder } from '../support/control-plane.ts';
import { CONNECTOR, GRANT, NOW } from '../support/signed-jobs.ts';

async function keysIn(file: string): Promise<readonly JobKey[]> {
  const read = parseJobKeys(await readFile(file, 'utf8'));
  assert.ok(read.ok, JSON.stringify(read));
  return read.value;
}

const to = { connectorId: CONNECTOR, nowMs: NOW };

test('what the stub signs is believed by a connector with its file, also after the stub was started again', async () => {
  await using folder = await temporaryFolder();
  const state = join(folder.path, 'state.json');
  const [first, again] = [await keepJobSigner(state), await keepJobSigner(state)];
  const keys = await keysIn(first.jwksFile);
  assert.equal(keys.length, 1);
  const verify = jobSignatures({ keys, connectorId: CONNECTOR, now: () => NOW });
  for (const signer of [first, again]) {
    const verified = await verify(signer.sign(GRANT, to));
    assert.ok(verified.ok && verified.received.jobId === 'job-1', JSON.stringify(verified));
  }
  assert.equal((await stat(join(folder.path, 'control-plane-job-key.pem'))).mode & 0o777, 0o600);
});

test('a new key of the stub stands before the earlier ones, of which three are kept', async () => {
  await using folder = await temporaryFolder();
  const state = join(folder.path, 'state.json');
  const kids: string[] = [];
  for (let started = 0; started < 6; started += 1) {
    const { jwksFile, sign } = await keepJobSigner(state);
    const keys = await keysIn(jwksFile);
    kids.unshift(keys[0]?.kid ?? '');
    assert.deepEqual(
      keys.map(({ kid }) => kid),
      kids.slice(0, 4),
    );
    assert.ok((await jobSignatures({ keys, connectorId: CONNECTOR, now: () => NOW })(sign(GRANT, to))).ok);
    await rm(join(folder.path, 'control-plane-job-key.pem'));
  }
  assert.equal(new Set(kids).size, 6);
});

test('a file in its place that is no JWKS is left as it is', async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'control-plane-job-keys.json');
  await writeFile(file, 'precious');
  await assert.rejects(keepJobSigner(join(folder.path, 'state.json')), /control-plane-job-keys\.json is not JSON/);
  assert.equal(await readFile(file, 'utf8'), 'precious');
});
