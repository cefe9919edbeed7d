/**
 * Writes the pictures of the console into docs/images: a real directory, connector and stub, in a real browser. By hand, where
 * the page looks different: sh scripts/node.sh scripts/write-console-pictures.ts
 */

import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openPage, startBrowser } from '../test/support/browser.ts';
import { startSystem } from '../test/support/system.ts';

const FOLDER = new URL('../docs/images/', import.meta.url).pathname;
/** Until the countdowns have come some way. */
const PAUSE_MS = 25_000;

interface Ask {
  readonly user: string;
  readonly group: string;
  readonly seconds: number;
  readonly why: string;
}

const ASKED: readonly Ask[] = [
  { user: 'ines', group: 'domain-admins', seconds: 600, why: 'new printer' },
  { user: 'grace', group: 'on-call', seconds: 8, why: 'pages of the shop, incident 2041' },
  { user: 'uma', group: 'payroll-readers', seconds: 900, why: 'figures for the board' },
  { user: 'priya', group: 'on-call', seconds: 66, why: 'drill' },
  { user: 'viktor', group: 'release-approvers', seconds: 120, why: 'release 4.2' },
  { user: 'tomas', group: 'vpn-users', seconds: 1_800, why: 'on site in Brno' },
  { user: 'katya', group: 'db-operators', seconds: 5_400, why: 'change 8113: reindex orders' },
];

await using system = await startSystem({
  env: { LATCHKEY_CONNECTOR_ID: 'hq-1', LATCHKEY_NAME: 'Headquarters', LATCHKEY_PROTECTED_GROUPS: 'domain-admins' },
});
await system.startStub();
await system.startConnector();
await system.api('/syncs', { method: 'POST', body: { mode: 'full' } });
await system.event(({ kind }) => kind === 'sync.completed');
for (const { user, group, seconds, why } of ASKED) {
  const body = { user: { username: user }, group: { name: group }, durationSeconds: seconds, justification: why };
  const { grantId, jobId } = await system.api<{ grantId: string; jobId: string }>('/grants', { method: 'POST', body });
  await system.outcome(jobId);
  if (user === 'uma') await system.revoke(grantId);
}
await system.event((event) => event.kind === 'grant.ended' && event.cause === 'expired');
await sleep(PAUSE_MS);

await using browser = await startBrowser();
await mkdir(FOLDER, { recursive: true });
for (const { name, colorScheme, width, height, deviceScaleFactor } of [
  { name: 'console-light', colorScheme: 'light', width: 1280, height: 920, deviceScaleFactor: 1 },
  { name: 'console-dark', colorScheme: 'dark', width: 1280, height: 920, deviceScaleFactor: 1 },
  { name: 'console-phone', colorScheme: 'light', width: 360, height: 720, deviceScaleFactor: 2 },
] as const) {
  await using opened = await openPage(browser.browser, { colorScheme, viewport: { width, height }, deviceScaleFactor });
  await opened.page.goto(system.apiUrl());
  await opened.page
    .locator('#grant-rows tr')
    .nth(ASKED.length - 1)
    .waitFor();
  await opened.page.locator('#user-rows tr').first().waitFor();
  await opened.page.screenshot({ path: `${FOLDER}${name}.png` });
}
