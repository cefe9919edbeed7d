import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { instant } from '../../../../src/access/instant.ts';
import { DirectoryError } from '../../../../src/directory/directory.ts';
import { type CheckOptions, check } from '../../../../src/directory/ldap/check/check.ts';
import { CredentialError } from '../../../../src/directory/ldap/credential.ts';
import { parseEndpoints } from '../../../../src/directory/ldap/endpoint.ts';
import type { OpenStage } from '../../../../src/directory/ldap/opener.ts';
import { realClock } from '../../../support/ldap-directory-under-test.ts';

const NOW = Date.UTC(2026, 0, 1);
const DAY_MS = 24 * 60 * 60 * 1000;
const TCP: OpenStage = { stage: 'tcp', address: '127.0.0.1' };
const tls = (days: number): OpenStage => ({
  stage: 'tls',
  protocol: 'TLSv1.3',
  subject: 'localhost',
  names: ['localhost'],
  issuers: ['Example CA'],
  validTo: new Date(NOW + days * DAY_MS).toUTCString(),
  pin: null,
});

/** The steps of a connection that comes so far and no further. */
async function checked(
  stages: readonly OpenStage[],
  { url = 'ldaps://127.0.0.1', explained = '', error = new DirectoryError('unavailable', 'It went no further.') } = {},
) {
  const opener = {
    async open(_signal: AbortSignal, { onStage }: { onStage: (stage: OpenStage) => void }) {
      for (const stage of stages) onStage(stage);
      throw error;
    },
  };
  const asked: string[] = [];
  const options = {
    endpoints: parseEndpoints(url, false),
    opener,
    clock: { ...realClock, wall: () => instant(NOW) },
    referrals: 'ignore',
    async explainPeer({ stage }: { stage: string }) {
      asked.push(stage);
      return explained;
    },
  };
  // Nothing else is asked of a server that does not let us in.
  const steps = await check(options as unknown as CheckOptions, new AbortController().signal);
  return { steps, asked };
}

suite('a connection that is checked', () => {
  for (const { days, status } of [
    { days: 30, status: 'ok' },
    { days: 29, status: 'warn' },
    { days: 0, status: 'warn' },
  ])
    test(`warns of a certificate with less than 30 days left: ${days}`, async () => {
      const { steps } = await checked([TCP, tls(days)]);
      const found = steps.find(({ step }) => step === 'tls');
      assert.equal(found?.status, status);
      assert.match(found?.detail ?? '', new RegExp(`\\(${days} days left\\)`));
    });

  for (const { url, stages, fails } of [
    { url: 'ldaps://127.0.0.1', stages: [], fails: 'tcp' },
    { url: 'ldaps://127.0.0.1', stages: [TCP], fails: 'tls' },
    { url: 'ldaps://127.0.0.1', stages: [TCP, tls(90)], fails: 'bind' },
    { url: 'ldap://127.0.0.1', stages: [TCP], fails: 'bind' },
  ])
    test(`fails at the stage that it did not reach, with what the server shows: ${url}, ${fails}`, async () => {
      const { steps, asked } = await checked(stages, { url, explained: ' The server shows something.' });
      assert.deepEqual(
        steps.filter(({ status }) => status === 'fail'),
        [{ step: fails, status: 'fail', detail: 'It went no further. The server shows something.' }],
      );
      assert.deepEqual(asked, [fails]);
    });

  test('fails at the bind where there is nothing to bind with, and nobody says that the server was tried', async () => {
    const error = new CredentialError('The password of cn=x could not be read: Vault is sealed.');
    const { steps, asked } = await checked([], { error });
    assert.deepEqual(
      steps.filter(({ status }) => status === 'fail'),
      [{ step: 'bind', status: 'fail', detail: error.message }],
    );
    assert.deepEqual(asked, []);
  });
});
