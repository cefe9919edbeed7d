import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { freshPeople } from '../support/extra-people.ts';
import { assertPromptExpiry } from '../support/prompt-expiry.ts';
import { FULL_SCALE } from '../support/scale.ts';
import { assertToldOnce, granted, memberships, runningConnector, startReady, succeeded } from '../support/survival.ts';
import { type System, startSystem, until } from '../support/system.ts';
import {
  startWebSocketProxy,
  WEBSOCKET_FAULTS,
  WEBSOCKET_PHASES,
  type WebSocketFault,
  type WebSocketPhase,
  type WebSocketProxy,
} from '../support/websocket-proxy.ts';

/** Two heartbeats of the stub, or the 10 s of a handshake and a welcome, and 2 s (issue 3, lost answers). */
const NOTICED_MS = 12_000;

/** Steps that a connection passes once; for these it has to be made anew. */
const MAKING: ReadonlySet<WebSocketPhase> = new Set(['connect', 'tls', 'upgrade-request', 'upgrade-answer', 'hello', 'welcome']);

type Asked = 'grant' | 'revoke';
interface Cell {
  readonly phase: WebSocketPhase;
  readonly fault: WebSocketFault;
  readonly asked: Asked;
}

const ALL: readonly Cell[] = WEBSOCKET_PHASES.flatMap((phase) =>
  WEBSOCKET_FAULTS.flatMap((fault) => (['grant', 'revoke'] as const).map((asked) => ({ phase, fault, asked }))),
);

/** Every phase and every fault; the slow silence once while a connection is made, and once when it is. */
const SAMPLE: readonly Cell[] = ALL.filter(({ phase, fault, asked }) => {
  if (fault === 'silence') return asked === 'grant' ? phase === 'event' : phase === 'upgrade-answer';
  const turn = WEBSOCKET_PHASES.indexOf(phase) + WEBSOCKET_FAULTS.indexOf(fault);
  return turn % 4 === (asked === 'grant' ? 0 : 2);
});

for (const secure of [false, true]) {
  const cells = (FULL_SCALE ? ALL : SAMPLE).filter(({ phase, fault }) =>
    secure ? phase === 'tls' || (fault !== 'silence' && (phase === 'event' || phase === 'job')) : phase !== 'tls',
  );

  suite(`faults between the connector and its control plane, ${secure ? 'wss' : 'ws'}`, { concurrency: false }, () => {
    let s: System;
    let proxy: WebSocketProxy;
    const nextPerson = freshPeople();

    before(async () => {
      s = await startSystem({ ldap: { people: 2 * cells.length } });
      await s.startStub();
      const besideCa = (name: string): string => join(dirname(s.ldap.caFile), name);
      const certificate = secure
        ? { cert: await readFile(besideCa('server.pem'), 'utf8'), key: await readFile(besideCa('server.key'), 'utf8') }
        : null;
      proxy = await startWebSocketProxy(() => Number(new URL(s.apiUrl()).port), certificate);
      await startReady(s, {
        env: {
          LATCHKEY_CONTROL_PLANE_URL: `${secure ? 'wss' : 'ws'}://localhost:${proxy.port}/connect`,
          ...(secure ? { LATCHKEY_CONTROL_PLANE_CA_FILE: s.ldap.caFile } : {}),
          TEST_LINK_BACKOFF_MS: '20:100',
        },
      });
    });
    after(async () => {
      await s[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    });

    /** The line that says why the connection ended. */
    async function noticed(fault: WebSocketFault, from: number): Promise<void> {
      // Nothing is noticed of a delay that is shorter than every deadline.
      if (fault === 'delay') return;
      const struckAt = performance.now();
      await runningConnector(s).line((text) => text.includes('"link.waiting"'), from);
      const tookMs = performance.now() - struckAt;
      assert.ok(tookMs < NOTICED_MS, `noticed after ${tookMs} ms`);
    }

    for (const { phase, fault, asked } of cells) {
      test(`${fault} at ${phase}: a ${asked} has one outcome, and an expiry is on time`, async () => {
        const initial = await memberships(s);
        const uid = nextPerson();
        const cn = 'on-call';
        const earlier =
          asked === 'revoke' ? await granted(s, { user: { username: uid }, group: { name: cn }, durationSeconds: 3600 }) : null;
        const expiringUid = nextPerson();
        const expiring = await granted(s, {
          user: { username: expiringUid },
          group: { name: 'payroll-readers' },
          durationSeconds: 1,
        });

        const from = runningConnector(s).lines.length;
        const struck = phase === 'idle' ? null : proxy.spoil(phase, fault);
        if (MAKING.has(phase)) proxy.reset();
        const { jobId, grantId } =
          earlier === null
            ? await s.grant({ user: { username: uid }, group: { name: cn }, durationSeconds: 3600 })
            : await s.revoke(earlier.grantId);
        if (phase === 'idle') await proxy.spoil(phase, fault);
        await struck;
        await noticed(fault, MAKING.has(phase) ? secondWaiting(from) : from);

        // The directory needs nobody: what is due is done while the connection is spoilt.
        await s.member(s.group('payroll-readers'), s.person(expiringUid), false);
        assertPromptExpiry(await s.endOf(expiring.grantId));

        assert.equal(await succeeded(s, jobId), asked === 'grant' ? 'granted' : 'revoked');
        const isMember = (await s.ldap.members(s.group(cn))).includes(s.person(uid));
        assert.equal(isMember, asked === 'grant');
        if (asked === 'grant') assert.equal(await succeeded(s, (await s.revoke(grantId)).jobId), 'revoked');
        await until('the connector is connected', async () => (await s.connectors()).some(({ connected }) => connected));
        assert.deepEqual(await memberships(s), initial);
        await assertToldOnce(s);
      });
    }

    /** After the reset that makes the connector dial comes the ending that the test is about. */
    function secondWaiting(from: number): number {
      const { lines } = runningConnector(s);
      const first = lines.findIndex((text, at) => at >= from && text.includes('"link.waiting"'));
      return first < 0 ? from : first + 1;
    }
  });
}
