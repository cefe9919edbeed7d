import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { instant } from '../../src/access/instant.ts';
import { freshPeople } from '../support/extra-people.ts';
import { forgedJobs } from '../support/forged-jobs.ts';
import { DEEPEST, hostileJobs, nestedGroup } from '../support/hostile-jobs.ts';
import { modifyOf, type SentModify } from '../support/ldap-messages.ts';
import { type LdapProxy, startLdapProxy } from '../support/ldap-proxy.ts';
import { badUpgrades, misbehavingFront } from '../support/misbehaving-front.ts';
import { processFigures } from '../support/process-figures.ts';
import { assertPromptExpiry } from '../support/prompt-expiry.ts';
import { atScale, FULL_SCALE } from '../support/scale.ts';
import { claimsOf, headerOf, jwksOf, signed, signingKey } from '../support/signed-jobs.ts';
import { memberships, runningConnector } from '../support/survival.ts';
import { type System, startSystem } from '../support/system.ts';
import { byHand, grantJob, groupEntry } from '../support/told.ts';
import { type WebSocketControlPlane, webSocketControlPlane } from '../support/websocket-control-plane.ts';
import { webSocketServer } from '../support/websocket-peer.ts';

const CONNECTOR_ID = 'connector-under-test';
const MAX_GRANT_MS = 8 * 3_600_000;
/** How much memory the connector may hold at any time, in bytes (issue 7, proof 1). */
const MAX_RSS_BYTES = 200 * 1_048_576;
/** A hundred refused frames within a minute end a connection, so not so many go over one. */
const FRAMES_A_CONNECTION = 80;
const FLOOD = atScale({ sample: 1_000, full: 10_000 });
/** Enough for what the cases need of grants that are allowed, and far less than the flood. */
const RATE = 300;

type Job = ReturnType<typeof grantJob>;

const outcomeOf = (result: Awaited<ReturnType<WebSocketControlPlane['outcome']>>): string =>
  result.kind === 'job.succeeded' ? result.outcome : result.error.code;

suite('a control plane that is hostile', { concurrency: false }, () => {
  const key = signingKey('key-1');
  const other = signingKey('key-2', 'ES256');
  const person = freshPeople();
  const sent: SentModify[] = [];
  /** Every change of a membership that somebody may have asked for: `add` or `delete`, of whom, in which group. */
  const allowed = new Set<string>();
  let s: System;
  let proxy: LdapProxy;
  let hostile: WebSocketControlPlane;
  let front: Awaited<ReturnType<typeof misbehavingFront>>;
  let cases = 0;
  let mostRssBytes = 0;

  const now = () => Math.floor(Date.now() / 1000);
  const claims = (job: Readonly<Record<string, unknown>>) =>
    claimsOf(job, { aud: CONNECTOR_ID, jti: job['jobId'], iat: now() - 1, exp: now() + 300 });
  const jwsOf = (job: Readonly<Record<string, unknown>>) => signed(key, claims(job), headerOf(key));

  const start = () =>
    s.startConnector({
      env: {
        LATCHKEY_CONTROL_PLANE_URL: front.url,
        LATCHKEY_JOB_KEYS_FILE: join(s.folder, 'job-keys.json'),
        LATCHKEY_MAX_GRANT: `${MAX_GRANT_MS / 3_600_000}h`,
        LATCHKEY_PROTECTED_GROUPS: 'domain-admins;outer-unique',
        LDAP_URL: proxy.url,
        // As scripts/latchkey.sh runs it.
        NODE_OPTIONS: '--max-semi-space-size=4',
        LATCHKEY_MAX_GRANTS_PER_MINUTE: String(RATE),
        TEST_LINK_BACKOFF_MS: '20:50',
        LATCHKEY_LOG_LEVEL: 'info',
      },
    });

  before(async () => {
    const nested = Array.from({ length: DEEPEST }, (_, index) => nestedGroup(index + 1));
    const groups = [
      `dn: ou=sub,ou=groups,dc=example,dc=test\nobjectClass: organizationalUnit\nou: sub\n\n`,
      groupEntry('outer-unique', { beneath: 'ou=sub,ou=groups,dc=example,dc=test' }),
      ...[...nested, 'ring-a', 'ring-b', 'above', 'theirs'].map((cn) => groupEntry(cn)),
      groupEntry('inner-unique'),
      groupEntry('outer-unique', {
        objectClass: 'groupOfUniqueNames',
        members: ['cn=inner-unique,ou=groups,dc=example,dc=test'],
      }),
    ];
    s = await startSystem({ ldap: { people: atScale({ sample: 200, full: 700 }), ldif: groups.join('') } });
    // The first lies in the protected one, and each further one in the one before it.
    for (const [index, cn] of nested.entries())
      await byHand(s, { group: s.group(nested[index - 1] ?? 'domain-admins'), add: s.group(cn) });
    await byHand(s, { group: s.group('ring-a'), add: s.group('ring-b') });
    await byHand(s, { group: s.group('ring-b'), add: s.group('ring-a') });
    await byHand(s, { group: s.group(nestedGroup(3)), add: s.group('ring-a') });
    // That a protected group lies in it makes nobody of its members more than they are.
    await byHand(s, { group: s.group('above'), add: s.group('domain-admins') });
    await writeFile(join(s.folder, 'job-keys.json'), jwksOf(key, other), { mode: 0o600 });
    proxy = await startLdapProxy(s.ldap, (message) => {
      const modify = modifyOf(message);
      if (modify !== null) sent.push(modify);
    });
    hostile = await webSocketControlPlane({ frameOf: (job) => ({ type: 'job', jws: jwsOf(job) }) });
    front = await misbehavingFront(hostile.port);
    await start();
    await hostile.peer();
    await hostile.when(() => hostile.events().find(({ kind }) => kind === 'directory.changed'));
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
    await hostile[Symbol.asyncDispose]();
    await front[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  });

  const allow = (uid: string, group: string): void => {
    for (const change of ['add', 'delete']) allowed.add(`${change} ${s.person(uid)} ${s.group(group)}`.toLowerCase());
  };

  /** A grant that the operator's rules allow, signed as it should be. */
  async function granted(uid: string, fields: Readonly<Record<string, unknown>> = {}, group = 'on-call'): Promise<Job> {
    allow(uid, group);
    const job = grantJob({ user: { username: uid }, group: { name: group }, ...fields });
    hostile.deliver(job);
    assert.equal(outcomeOf(await hostile.outcome(job.jobId)), 'granted');
    return job;
  }

  async function revoked(grantId: string): Promise<string> {
    const jobId = `revoke-${grantId}-${cases}`;
    hostile.deliver({ kind: 'revoke', jobId, grantId, issuedAt: new Date().toISOString() });
    return outcomeOf(await hostile.outcome(jobId));
  }

  async function onNewConnection(): Promise<void> {
    const earlier = hostile.connections();
    (await hostile.peer()).lose();
    await hostile.when(() => (hostile.connections() > earlier ? true : undefined));
  }

  /** What goes on while an expiry is due: that is on time, no modify leaves that nobody may ask for, and memory is bounded. */
  async function withstands(count: number, attack: () => Promise<void>): Promise<void> {
    cases += count;
    const connector = runningConnector(s);
    const expiring = await granted(person(), { durationSeconds: 1 });
    await attack();
    const end = await hostile.endOf(expiring.grantId);
    assertPromptExpiry(end);
    const unexplained = sent
      .splice(0)
      .flatMap(({ dn, changes }) =>
        changes.flatMap(({ change, values }) => values.map((value) => `${change} ${value} ${dn}`.toLowerCase())),
      );
    assert.deepEqual(
      unexplained.filter((one) => !allowed.has(one)),
      [],
      'a change of a membership left that nobody may ask for',
    );
    assert.equal(runningConnector(s), connector);
    const { rssBytes } = await processFigures(connector.pid);
    mostRssBytes = Math.max(mostRssBytes, rssBytes);
    assert.ok(rssBytes <= MAX_RSS_BYTES, `${Math.round(rssBytes / 1_048_576)} MiB`);
  }

  /** Each alone, where there is time; else some at once. */
  function together<T>(all: readonly T[]): readonly (readonly T[])[] {
    const size = FULL_SCALE ? 1 : FRAMES_A_CONNECTION;
    return Array.from({ length: Math.ceil(all.length / size) }, (_, index) => all.slice(index * size, (index + 1) * size));
  }

  test('without a signature, or with one that is wrong in any way, a job is refused and changes nothing', async () => {
    const wanted = () => grantJob({ user: { username: person() }, group: { name: 'on-call' } });
    const forged = forgedJobs({ ed: key, ec: other, connectorId: CONNECTOR_ID, seconds: now(), job: wanted() });
    const holder = person();
    const held = await granted(holder);
    const plain = [
      { title: 'a grant', frame: { type: 'job', job: wanted() } },
      ...['revoke', 'sync', 'list', 'check'].map((kind) => ({
        title: `a ${kind}`,
        frame: {
          type: 'job',
          job: { kind, jobId: `plain-${kind}`, grantId: held.grantId, mode: 'full', issuedAt: new Date().toISOString() },
        },
      })),
      { title: 'a grant beside a signed one', frame: { type: 'job', job: wanted(), jws: jwsOf(wanted()) } },
    ];
    for (const some of together([...plain, ...forged.map(([title, , jws]) => ({ title, frame: { type: 'job', jws } }))])) {
      await withstands(some.length, async () => {
        const peer = await hostile.peer();
        const earlier = hostile.errors.length;
        for (const { frame } of some) peer.send(frame);
        await hostile.when(() => (hostile.errors.length >= earlier + some.length ? true : undefined));
        for (const [index, { title }] of some.entries())
          assert.match(String(hostile.errors[earlier + index]?.['code']), /^(?:signature_invalid|invalid_frame)$/, title);
      });
      await onNewConnection();
    }
    assert.ok((await s.ldap.members(s.group('on-call'))).includes(s.person(holder)));
    assert.equal(await revoked(held.grantId), 'revoked');
  });

  test('a job that was signed once has its effect once, however often it comes, and after a kill', async () => {
    await withstands(6, async () => {
      const job = await granted(person());
      const again = jwsOf(job);
      for (let times = 0; times < 20; times += 1) (await hostile.peer()).send({ type: 'job', jws: again });
      await hostile.when(() => (hostile.repeats(job.jobId) >= 20 ? true : undefined));
      assert.equal(await revoked(job.grantId), 'revoked');
      // The grant again, after its end: it is told what came of it, and nobody is put in.
      (await hostile.peer()).send({ type: 'job', jws: again });
      await hostile.when(() => (hostile.repeats(job.jobId) >= 21 ? true : undefined));
      // The same id with other content, and the same grant under another id.
      for (const [changed, code] of [
        [{ ...job, durationSeconds: 60 }, 'job_conflict'],
        [{ ...job, group: { name: 'theirs' } }, 'job_conflict'],
        [{ ...job, jobId: `${job.jobId}-2` }, 'grant_revoked'],
      ] as const) {
        const earlier = hostile.events().length;
        (await hostile.peer()).send({ type: 'job', jws: jwsOf(changed) });
        const told = await hostile.when(() =>
          hostile
            .events()
            .slice(earlier)
            .find((event) => event.kind === 'job.failed' && event.jobId === changed.jobId),
        );
        assert.equal(told.kind === 'job.failed' ? told.error.code : '', code);
      }
    });
  });

  test('a signed job is not done twice by a connector that was killed meanwhile', async () => {
    const job = await granted(person());
    const again = jwsOf(job);
    assert.equal(await revoked(job.grantId), 'revoked');
    const earlier = hostile.connections();
    await s.stopConnector('SIGKILL');
    await start();
    await hostile.when(() => (hostile.connections() > earlier ? true : undefined));
    await withstands(1, async () => {
      (await hostile.peer()).send({ type: 'job', jws: again });
      await hostile.when(() => (hostile.repeats(job.jobId) >= 1 ? true : undefined));
    });
  });

  test('what the operator does not allow is refused with its code, whoever signed it, and changes nothing', async () => {
    const attacks = hostileJobs({ person, now: instant(Date.now()), maxGrantMs: MAX_GRANT_MS, jobOf: grantJob });
    for (const some of together(attacks))
      await withstands(some.length, async () => {
        for (const { job } of some) hostile.deliver(job as Job);
        const answers: Record<string, string> = {};
        for (const { title, job } of some) answers[title] = outcomeOf(await hostile.outcome(String(job['jobId'])));
        assert.deepEqual(answers, Object.fromEntries(some.map(({ title, code }) => [title, code])));
      });
  });

  test('that a group contains a protected one is no reason to refuse it', async () => {
    await withstands(1, async () => {
      assert.equal(await revoked((await granted(person(), {}, 'above')).grantId), 'revoked');
    });
  });

  test('no number of extensions, and no chain of grants, lasts longer than allowed from the first activation on', async () => {
    await withstands(12, async () => {
      const uid = person();
      const first = await granted(uid, { durationSeconds: MAX_GRANT_MS / 1000 - 2 });
      const limit = Date.now() + MAX_GRANT_MS;
      for (let step = 0; step < 5; step += 1) {
        const expiresAt = new Date(limit + 10_000 + step * 60_000).toISOString();
        const longer = { ...first, jobId: `${first.jobId}-${step}`, durationSeconds: undefined, expiresAt };
        const chained = grantJob({ user: { username: uid }, group: { name: 'on-call' }, expiresAt });
        for (const job of [longer, chained]) {
          hostile.deliver(job);
          assert.equal(outcomeOf(await hostile.outcome(job.jobId)), 'policy_denied');
        }
      }
      for (const wrong of [{ user: { username: person() } }, { group: { name: 'theirs' } }]) {
        const job = { ...first, ...wrong, jobId: `${first.jobId}-${JSON.stringify(wrong).length}` };
        hostile.deliver(job);
        assert.equal(outcomeOf(await hostile.outcome(job.jobId)), 'grant_conflict');
      }
      assert.equal(await revoked(first.grantId), 'revoked');
    });
  });

  test('what was there before us is never taken away, by a grant and its end or by a revoke of nothing', async () => {
    await withstands(3, async () => {
      const standing = grantJob({ user: { username: 'chen' }, group: { name: 'on-call' } });
      hostile.deliver(standing);
      assert.equal(outcomeOf(await hostile.outcome(standing.jobId)), 'already_standing');
      assert.equal(await revoked(standing.grantId), 'kept_standing');
      assert.equal(await revoked('no-such-grant'), 'already_absent');
      const early = grantJob({ grantId: 'no-such-grant', user: { username: person() }, group: { name: 'on-call' } });
      hostile.deliver(early);
      assert.equal(outcomeOf(await hostile.outcome(early.jobId)), 'grant_revoked');
      assert.ok((await s.ldap.members(s.group('on-call'))).includes(s.person('chen')));
    });
  });

  test('an entry that is renamed to a protected name, or made again under a name, is not what it was', async () => {
    await withstands(2, async () => {
      const uid = person();
      const job = await granted(uid, {}, 'theirs');
      // Somebody else, by the same name: neither extended nor kept.
      const [entry] = await s.ldap.search({ base: s.person(uid), scope: 'base', filter: '(objectClass=*)', attributes: ['*'] });
      assert.ok(entry !== undefined);
      const lines = [...entry.attributes].flatMap(([name, values]) =>
        values.map((value) => `${name}:: ${Buffer.from(value).toString('base64')}`),
      );
      await s.ldap.modify(`dn: ${s.person(uid)}\nchangetype: delete\n`);
      await s.ldap.modify(`dn: ${s.person(uid)}\nchangetype: add\n${lines.join('\n')}\n`);
      const extension = { ...job, jobId: `${job.jobId}-again`, durationSeconds: 7_200 };
      hostile.deliver(extension);
      assert.match(outcomeOf(await hostile.outcome(extension.jobId)), /^(?:grant_conflict|user_not_found)$/);
      assert.match(await revoked(job.grantId), /^(?:revoked|already_absent)$/);
      assert.ok(!(await s.ldap.members(s.group('theirs'))).includes(s.person(uid)));

      await s.ldap.modify(
        `dn: ${s.group('theirs')}\nchangetype: modrdn\nnewrdn: cn=domain-admins\ndeleteoldrdn: 1\nnewsuperior: ou=sub,ou=groups,dc=example,dc=test\n`,
      );
      const renamed = grantJob({
        user: { username: person() },
        group: { dn: 'cn=domain-admins,ou=sub,ou=groups,dc=example,dc=test' },
      });
      hostile.deliver(renamed);
      assert.equal(outcomeOf(await hostile.outcome(renamed.jobId)), 'group_protected');
    });
  });

  test('acknowledgements of what was never told, of less than before, and out of order lose nothing', async () => {
    await withstands(8, async () => {
      const peer = await hostile.peer();
      const earlier = hostile.errors.length;
      for (const seq of [999_999, Number.MAX_SAFE_INTEGER, -1, 0.5]) peer.send({ type: 'ack', seq });
      for (const seq of [0, 1, 3, 2, 1]) peer.send({ type: 'ack', seq });
      peer.send({ type: 'sync.ack', syncId: 'none', page: 1 });
      peer.send({ type: 'welcome', sessionId: 'again', time: new Date().toISOString(), ackedSeq: 999_999 });
      await hostile.when(() => (hostile.errors.length >= earlier + 4 ? true : undefined));
      assert.equal(await revoked((await granted(person())).grantId), 'revoked');
    });
    await onNewConnection();
  });

  test('an upgrade that goes wrong in any way is tried again, and the token goes nowhere else', async () => {
    const elsewhere = await webSocketServer();
    try {
      const bad = badUpgrades(elsewhere.url);
      for (const some of together(bad))
        await withstands(some.length, async () => {
          const earlier = hostile.connections();
          const [last] = some.map(({ as }) => front.misbehave(as)).slice(-1);
          (await hostile.peer()).lose();
          await last;
          await hostile.when(() => (hostile.connections() > earlier ? true : undefined));
        });
      assert.equal(elsewhere.untaken(), 0);
    } finally {
      await elsewhere.close();
    }
  });

  test(`of ${FLOOD} signed grants as fast as they can be sent no more are looked at than the rate lets through, and nothing ends late`, async (t) => {
    const earlier = await memberships(s);
    const jobs = Array.from({ length: FLOOD }, () =>
      grantJob({ user: { username: 'nobody-at-all' }, group: { name: 'on-call' } }),
    );
    const startedAtMs = performance.now();
    await withstands(1, async () => {
      for (const job of jobs) hostile.deliver(job);
      const codes = new Map<string, number>();
      for (const { jobId } of jobs) {
        const code = outcomeOf(await hostile.outcome(jobId));
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      const most = RATE * (1 + (performance.now() - startedAtMs) / 60_000) + 1;
      const [looked = 0, refused = 0] = ['user_not_found', 'policy_denied'].map((code) => codes.get(code));
      t.diagnostic(`${looked} were looked at, ${refused} refused`);
      assert.equal(looked + refused, FLOOD);
      assert.ok(looked <= most, `${looked} of at most ${most}`);
    });
    assert.deepEqual(await memberships(s), earlier);
  });

  test('so many cases were seen', (t) => {
    t.diagnostic(`${cases} cases; at most ${Math.round(mostRssBytes / 1_048_576)} MiB`);
    assert.ok(cases >= 150);
  });
});
