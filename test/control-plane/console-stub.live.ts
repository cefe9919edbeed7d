import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { openPage, startBrowser } from '../support/browser.ts';
import { startStub, temporaryFolder } from '../support/control-plane.ts';
import { rawConnector } from '../support/raw-connector.ts';
import { SAMPLE, syncFrames } from '../support/sync-samples.ts';

const isLive = (page: Page) => page.locator('#link[data-state=live]').waitFor();

let browser: Awaited<ReturnType<typeof startBrowser>>;
before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await browser[Symbol.asyncDispose]();
});

test('of several connectors the form asks which one, and each is shown as it is', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'token'), 'one\ntwo\n', { mode: 0o600 });
  await using stub = await startStub(folder.path);
  await using opened = await openPage(browser.browser);
  const { page, problems } = opened;
  await page.goto(stub.apiUrl);
  const cardOf = (name: string) => page.locator('#connectors li', { hasText: name });
  await using north = await rawConnector({ url: stub.connectUrl, token: 'one' });
  await north.greet({ connectorId: 'north', name: 'North' });
  await cardOf('North').locator('.pill', { hasText: 'directory down' }).waitFor();
  assert.equal(await page.locator('#connector').isVisible(), false);
  await using south = await rawConnector({ url: stub.connectUrl, token: 'two' });
  const directory = {
    vendor: 'OpenLDAP',
    flavour: 'openldap',
    baseDn: 'dc=south',
    usersScope: ['ou=p,dc=south'],
    groupsScope: [],
  };
  await south.greet({ connectorId: 'south', name: 'South', directory });
  await cardOf('South').locator('.pill', { hasText: 'healthy' }).waitFor();
  await page.getByLabel('Connector', { exact: true }).selectOption('south');
  await page.getByLabel('Person').fill('ada');
  await page.getByLabel('Group', { exact: true }).fill('ops');
  await page.getByRole('button', { name: 'Request access' }).click();
  await page.locator('#grant-rows tr', { hasText: 'the connector does not have it yet' }).waitFor();
  assert.equal((await stub.get<{ connectorId: string }[]>('/grants'))[0]?.connectorId, 'south');
  north.socket.terminate();
  await cardOf('North').locator('.pill', { hasText: 'away' }).waitFor();
  assert.deepEqual(problems, []);
});

test('a sync is seen while it comes, and how it ended', async () => {
  await using folder = await temporaryFolder();
  await using stub = await startStub(folder.path);
  await using opened = await openPage(browser.browser);
  const { page, problems } = opened;
  await page.goto(stub.apiUrl);
  await using connector = await rawConnector({ url: stub.connectUrl, token: await stub.token() });
  await connector.greet();
  const { begin, pages, end } = syncFrames(SAMPLE);
  connector.send(begin);
  for (const frame of pages) connector.send(frame);
  const line = page.locator('#connectors .stream');
  await line.filter({ hasText: /^full sync: [1-9]\d* records in \d+ pages? so far$/ }).waitFor();
  assert.equal(await page.getByRole('progressbar', { name: 'full sync' }).count(), 1);
  connector.send(end);
  await line.filter({ hasText: /^last full sync: / }).waitFor();
  await page.locator('#user-rows tr', { hasText: 'user1' }).waitFor();
  connector.send({ ...begin, syncId: 's-9' });
  connector.send({ type: 'sync.abort', syncId: 's-9', error: { code: 'internal', message: 'cut by a limit', retryable: true } });
  await line.filter({ hasText: 'full sync aborted: ' }).waitFor();
  assert.deepEqual(problems, []);
});

test('beyond loopback the console asks for a token, keeps it from the address, and stays signed in when the stub restarts', async () => {
  await using folder = await temporaryFolder();
  const start = (port: number) =>
    startStub(folder.path, { args: ['--listen', `0.0.0.0:${port}`, '--api-token-file', join(folder.path, 'api-token')] });
  await using opened = await openPage(browser.browser, { ignoreHTTPSErrors: true });
  const { page, problems } = opened;
  const stub = await start(0);
  await page.goto(stub.apiUrl);
  await page.locator('#sign-in').waitFor();
  assert.equal(await page.locator('main').isVisible(), false);
  await page.locator('#token').fill(await stub.token());
  await page.keyboard.press('Enter');
  await page.locator('#sign-in-said', { hasText: 'no token of the API token file' }).waitFor();
  const token = (await readFile(join(folder.path, 'api-token'), 'utf8')).trim();
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.locator('#token').fill(token);
  await page.keyboard.press('Enter');
  await isLive(page);
  const [cookie] = await page.context().cookies();
  assert.deepEqual(
    [cookie?.httpOnly, cookie?.secure, cookie?.sameSite, cookie?.path, cookie?.value === token],
    [true, true, 'Strict', '/', false],
  );
  await stub.stop();
  await page.locator('#link[data-state=away]').waitFor();
  await using again = await start(stub.port);
  await isLive(page);
  await page.reload();
  await isLive(page);
  assert.ok(asked.length > 3 && asked.every((url) => !url.includes(token)));
  await page.locator('#sign-out').click();
  await page.locator('#sign-in').waitFor();
  assert.equal(await page.evaluate("fetch('/grants').then(({ status }) => status)"), 401);
  assert.ok(!again.stdout.lines.concat(stub.stdout.lines).join('\n').includes(token));
  assert.deepEqual(problems, []);
});
