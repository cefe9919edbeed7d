/**
 * Reads the users of a server each time it is asked to, by the connector's reader or by ldapts, and says how long that took. It lives
 * for as long as it is connected to who asks, as a connector does that reads every hour.
 */

import { readFile } from 'node:fs/promises';
import { Client } from 'ldapts';
import { equality } from '../../src/access/filter.ts';
import { bulkSockets } from '../../src/directory/ldap/reader/bulk-socket.ts';
import { readPages } from '../../src/directory/ldap/reader/pages.ts';
import { onLine } from '../../src/directory/ldap/reader/reading.ts';
import { realClock } from '../support/ldap-directory-under-test.ts';
import { adapterSession } from './adapter-session.ts';
import { PAGE_SIZE, type ReadAnswer, type ReadAsked, USER_ATTRIBUTES } from './read-asked.ts';

process.on('message', (asked: ReadAsked) => void answer(asked));

async function answer(asked: ReadAsked): Promise<void> {
  const from = { wallMs: performance.now(), cpu: process.cpuUsage() };
  const count = asked.by === 'reader' ? await byReader(asked) : await byLdapts(asked);
  const { user, system } = process.cpuUsage(from.cpu);
  const answered: ReadAnswer = { wallMs: performance.now() - from.wallMs, cpuMs: (user + system) / 1_000, count };
  process.send?.(answered);
}

async function byReader({ server, url, base }: ReadAsked): Promise<number> {
  const session = await adapterSession(server, { url, openSocket: bulkSockets(realClock) });
  let entries = 0;
  let letters = 0;
  await onLine({ session, clock: realClock, readTimeoutMs: 60_000 }, async (line) => {
    const attributes = USER_ATTRIBUTES.map((name) => ({ name, as: 'text' }) as const);
    const search = { base, scope: 'sub', filter: equality('objectClass', 'person'), attributes, pageSize: PAGE_SIZE } as const;
    await readPages(
      line,
      search,
      {
        entry({ dn, texts }) {
          entries += 1;
          letters += dn.length + (texts[0]?.[0]?.length ?? 0);
        },
      },
      new AbortController().signal,
    );
  });
  await session.close();
  return letters > 0 ? entries : 0;
}

async function byLdapts({ server, url, base }: ReadAsked): Promise<number> {
  const secure = url.startsWith('ldaps:') ? { tlsOptions: { ca: await readFile(server.caFile) } } : {};
  const client = new Client({ url, ...secure });
  await client.bind(server.connectorDn, server.connectorPassword);
  let entries = 0;
  const pages = client.searchPaginated(base, {
    scope: 'sub',
    filter: '(objectClass=person)',
    attributes: [...USER_ATTRIBUTES],
    paged: { pageSize: PAGE_SIZE },
    timeLimit: 0,
  });
  for await (const { searchEntries } of pages) entries += searchEntries.length;
  await client.unbind();
  return entries;
}
