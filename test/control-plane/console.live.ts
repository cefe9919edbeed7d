import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { faintTexts, openPage, startBrowser } from '../support/browser.ts';
import { type System, startSystem } from '../support/system.ts';

/** A name that would run a script wherever it was taken for markup. */
const HOSTILE = '<img src=x onerror="alert(1)">';

const CONNECTOR = {
  LATCHKEY_NAME: `Site ${HOSTILE}`,
  LATCHKEY_PROTECTED_GROUPS: 'domain-admins',
  TEST_LINK_BACKOFF_MS: '50:200',
};

const rowOf = (page: Page, name: string) => page.locator('#grant-rows tr', { hasText: name });
const isLive = (page: Page) => page.locator('#link[data-state=live]').waitFor();
const focused = (page: Page) => page.evaluate<string>('document.activeElement.id || document.activeElement.ariaLabel');

let browser: Awaited<ReturnType<typeof startBrowser>>;
before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
});

describe('the console, with a real directory and connector behind the stub', () => {
  let s: System;
  before(async () => {
    s = await startSystem({ env: CONNECTOR });
    await s.startStub();
  });
  after(async () => {
    await s[Symbol.asyncDispose]();
  });

  test('before anything has happened it says what to do', async () => {
    await using opened = await openPage(browser.browser);
    const { page, problems } = opened;
    await page.goto(s.apiUrl());
    await isLive(page);
    const how = await page.locator('#connectors-empty').innerText();
    assert.ok(how.includes('No connector has dialled in yet'), how);
    assert.ok(how.includes(`LATCHKEY_CONTROL_PLANE_URL=${s.apiUrl().replace('http', 'ws')}/connect`), how);
    for (const id of ['grants-empty', 'events-empty', 'directory-empty']) await page.locator(`#${id}`).waitFor();
    await s.startConnector();
    await page.locator('#connectors .pill', { hasText: 'healthy' }).waitFor();
    assert.equal(await page.locator('#connectors-empty').isVisible(), false);
    assert.deepEqual(problems, []);
  });

  test('with the keyboard alone: a request becomes a member, counts down, and the member is gone', async () => {
    await using opened = await openPage(browser.browser);
    const { page, problems } = opened;
    await page.goto(s.apiUrl());
    await isLive(page);
    const { keyboard } = page;
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    const stops: [string, string][] = [
      ['user', 'grace'],
      ['group', 'on-call'],
      ['duration', '4'],
      ['unit', 's'],
      ['reason', 'pages of the shop'],
    ];
    for (const [id, keys] of stops) {
      assert.equal(await focused(page), id);
      assert.notEqual(
        await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'),
        'none',
        `${id} shows the focus`,
      );
      await keyboard.type(keys);
      if (id !== 'reason') await keyboard.press('Tab');
    }
    await keyboard.press('Enter');
    await page.locator('#request-said', { hasText: 'Requested: grace in on-call' }).waitFor();
    const row = rowOf(page, 'grace');
    await row.locator('.pill', { hasText: 'active' }).waitFor();
    await s.member(s.group('on-call'), s.person('grace'), true);
    const left = row.getByRole('timer');
    const first = await left.innerText();
    assert.match(first, /^0:0[1-4]$/);
    await left.filter({ hasNotText: first }).waitFor();
    await row.filter({ hasText: 'expired, membership removed' }).waitFor();
    await s.member(s.group('on-call'), s.person('grace'), false);
    await page.locator('#grants-said', { hasText: 'ended, expired, membership removed' }).waitFor();
    await page.locator('#events li', { hasText: 'grant.ended' }).waitFor();
    assert.deepEqual(problems, []);
  });

  test('a grant is revoked by the keyboard, after a question that Escape answers with no', async () => {
    await using opened = await openPage(browser.browser);
    const { page, problems } = opened;
    await page.goto(s.apiUrl());
    await s.grant({ user: { username: 'viktor' }, group: { name: 'release-approvers' }, durationSeconds: 3600 });
    const button = rowOf(page, 'viktor').getByRole('button');
    await button.focus();
    await page.keyboard.press('Enter');
    await page.locator('#revoke[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('#revoke[open]').waitFor({ state: 'detached' });
    assert.match(await focused(page), /^Revoke: viktor/);
    await page.keyboard.press('Enter');
    await page.keyboard.type('done early');
    await page.keyboard.press('Enter');
    await rowOf(page, 'viktor').filter({ hasText: 'revoked, membership removed' }).waitFor();
    await s.member(s.group('release-approvers'), s.person('viktor'), false);
    assert.deepEqual(problems, []);
  });

  test('while the stub is away it says since when and what it does not know; then nothing is lost', async () => {
    await using opened = await openPage(browser.browser);
    const { page, problems } = opened;
    await page.goto(s.apiUrl());
    await s.grant({ user: { username: 'quinn' }, group: { name: 'billing-readers' }, durationSeconds: 3 });
    await rowOf(page, 'quinn').locator('.pill', { hasText: 'active' }).waitFor();
    await page.locator('#user').fill('uma');
    await page.locator('#group').fill('vpn-users');
    await s.stopStub();
    await page.locator('#away', { hasText: /cannot be reached since \d\d:\d\d:\d\d/ }).waitFor();
    assert.equal(await page.locator('#connectors .pill').innerText(), 'was healthy');
    await page.locator('#request > button').click();
    await page.locator('#request-said', { hasText: 'may or may not have taken the request' }).waitFor();
    await s.member(s.group('billing-readers'), s.person('quinn'), false);
    await rowOf(page, 'quinn').getByText('time is up, not confirmed').waitFor();
    await s.startStub();
    await isLive(page);
    await rowOf(page, 'quinn').filter({ hasText: 'expired, membership removed' }).waitFor();
    assert.equal(await page.locator('#away').isVisible(), false);
    assert.equal(await rowOf(page, 'grace').count(), 1, 'what ended before the restart is still told');
    assert.equal(await page.locator('#user').inputValue(), 'uma');
    await page.locator('#request > button').click();
    await rowOf(page, 'uma').locator('.pill', { hasText: 'active' }).waitFor();
    assert.deepEqual(problems, []);
  });

  test('a stub that hangs is found out by its silence, though its connection stands', async () => {
    await using opened = await openPage(browser.browser);
    const { page, problems } = opened;
    await page.clock.install();
    await page.goto(s.apiUrl());
    await isLive(page);
    s.stub()?.signal('SIGSTOP');
    // More than the silence that the page bears; its requests meanwhile wait for the stub, and are no answer.
    await page.clock.runFor(16_000);
    await page.locator('#link[data-state=away]').waitFor();
    s.stub()?.signal('SIGCONT');
    await page.clock.runFor(2_000);
    await isLive(page);
    assert.deepEqual(problems, []);
  });

  test('a request whose answer was lost is not taken twice', async () => {
    await using opened = await openPage(browser.browser);
    const { page } = opened;
    await page.goto(s.apiUrl());
    await page.route('**/grants', async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.locator('#user').fill('oskar');
    await page.locator('#group').fill('payroll-readers');
    await page.locator('#request > button').click();
    await page.locator('#request-said', { hasText: 'cannot be taken twice' }).waitFor();
    await page.unroute('**/grants');
    await page.locator('#request > button').click();
    await page.locator('#request-said', { hasText: 'Requested: oskar' }).waitFor();
    const grants = await s.api<{ request: { user: { username?: string } } }[]>('/grants');
    assert.equal(grants.filter(({ request }) => request.user.username === 'oskar').length, 1);
  });

  test('the directory is searched, and what it holds is shown as text, whatever it says', async () => {
    const { ldap } = s;
    await ldap.modify(`dn: ${ldap.personDn('rosa')}\nchangetype: modify\nreplace: cn\ncn: ${HOSTILE}\n`);
    await ldap.modify(`dn: ${ldap.groupDn('deploy')}\nchangetype: modify\nreplace: description\ndescription: ${HOSTILE}\n`);
    await using opened = await openPage(browser.browser);
    const { page, problems } = opened;
    await page.goto(s.apiUrl());
    await isLive(page);
    await page.getByRole('button', { name: 'Sync now' }).click();
    await page.locator('#user-rows tr').nth(5).waitFor();
    await page.locator('#search').fill('onerror');
    await page.locator('#user-rows tr', { hasText: HOSTILE }).waitFor();
    await page.locator('#directory-count', { hasText: /^1 shown$/ }).waitFor();
    assert.equal(await page.locator('#user-rows tr').count(), 1);
    await page.locator('#users-tab').focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('#group-rows tr', { hasText: HOSTILE }).waitFor();
    await page.locator('#search').fill('nobody is called that');
    await page.locator('#directory-empty', { hasText: 'nobody is called that' }).waitFor();
    await page.locator('#search').fill('on-call');
    await page.locator('#group-rows').getByRole('button', { name: '2 members of on-call' }).click();
    await page.locator('#member-rows li', { hasText: 'chen' }).filter({ hasText: 'standing' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Request access to on-call' }).click();
    assert.equal(await page.locator('#group').inputValue(), 'on-call');
    await s.api('/grants', {
      method: 'POST',
      body: { user: { username: HOSTILE }, group: { name: HOSTILE }, durationSeconds: 9, justification: HOSTILE },
    });
    await rowOf(page, HOSTILE).locator('.pill', { hasText: 'refused' }).waitFor();
    await page.locator('#connectors h3', { hasText: HOSTILE }).waitFor();
    assert.equal(await page.locator('main img').count(), 0);
    assert.deepEqual(problems, []);
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${colorScheme}: every text stands out, and a phone scrolls in one direction only`, async () => {
      await using opened = await openPage(browser.browser, { colorScheme });
      const { page } = opened;
      await page.goto(s.apiUrl());
      await page.locator('#grant-rows tr').nth(3).waitFor();
      await page.locator('#user-rows tr').nth(3).waitFor();
      assert.deepEqual(await faintTexts(page), []);
      const back = await page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
      assert.equal(/rgb\((\d+)/.exec(back)?.[1] === '14', colorScheme === 'dark', back);
      for (const width of [360, 800]) {
        await page.setViewportSize({ width, height: 740 });
        assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
        assert.deepEqual(await faintTexts(page), []);
      }
    });
  }
});
