import type { ConnectorRow, GrantKind, GrantRow, News } from './answers.ts';
import { connectorsPanel } from './connectors-panel.ts';
import { timeWords } from './countdown.ts';
import { directoryPanel } from './directory-panel.ts';
import { byId, element, say } from './dom.ts';
import { eventsPanel } from './events-panel.ts';
import { followFeed, type Link } from './feed.ts';
import { grantsPanel } from './grants-panel.ts';
import { requestForm } from './request-form.ts';
import { signIn } from './sign-in.ts';

/** Of those that are over, so many are kept; the stub tells as many anew. */
const OVER_KEPT = 100;

/** The page: what the stub has told last, and how it can be heard. */
function openConsole(): void {
  const grants = new Map<string, GrantRow>();
  let connectors: readonly ConnectorRow[] = [];
  let link: Link = { kind: 'connecting' };
  let aheadMs = 0;
  let pictures = '';
  const nowMs = (): number => Date.now() + aheadMs;
  const isCertain = (connectorId: string): boolean =>
    link.kind === 'live' && connectors.some((one) => one.connectorId === connectorId && one.connected);

  const form = requestForm();
  const panels = {
    connectors: connectorsPanel({ nowMs }),
    grants: grantsPanel({ nowMs, isCertain }),
    directory: directoryPanel({ user: form.pickUser, group: form.pickGroup }),
    events: eventsPanel({ nowMs, grants }),
  };

  function take(news: News): void {
    aheadMs = Date.parse(news.time) - Date.now();
    if (news.whole) {
      grants.clear();
      panels.events.forget();
      pictures = '';
    }
    if (news.connectors !== undefined) takeConnectors(news.connectors);
    if (news.grants !== undefined) takeGrants(news.grants, news.whole);
    // After the grants, whose names they use.
    if (news.events !== undefined || news.whole) panels.events.add(news.events ?? []);
    if (news.totals !== undefined) showTotals(news.totals);
    if (news.violations !== undefined) say(byId('violations', HTMLElement), violationWords(news.violations));
  }

  function takeConnectors(rows: readonly ConnectorRow[]): void {
    connectors = rows;
    panels.connectors.show(rows, true);
    form.showConnectors(rows);
    const told = JSON.stringify(rows.map(({ connectorId, picture }) => [connectorId, picture?.storedAt]));
    if (told !== pictures) panels.directory.refresh(rows.some(({ picture }) => picture !== null));
    pictures = told;
    panels.grants.tick();
  }

  function takeGrants(rows: readonly GrantRow[], areAll: boolean): void {
    for (const row of rows) {
      const before = grants.get(row.grantId)?.state.kind;
      grants.set(row.grantId, row);
      if (!areAll && before !== row.state.kind) panels.grants.tell(row);
    }
    const over = [...grants.values()].filter(({ state }) => state.kind === 'ended' || state.kind === 'failed');
    for (const { grantId } of over.slice(0, -OVER_KEPT)) grants.delete(grantId);
    panels.grants.show(grants.values());
  }

  const away = byId('away', HTMLElement);
  const sign = signIn({ changed: () => feed.retry() });
  const feed = followFeed({
    news: take,
    link(next) {
      link = next;
      byId('link', HTMLElement).dataset['state'] = next.kind;
      say(byId('link-text', HTMLElement), next.kind);
      document.title = next.kind === 'away' ? 'away: Latchkey console' : 'Latchkey console';
      document.documentElement.classList.toggle('stale', next.kind !== 'live');
      away.hidden = next.kind !== 'away';
      if (next.kind === 'away') say(away, awayWords(next.sinceMs));
      sign.show({ isAsked: next.kind === 'signed out', hasToken: next.kind === 'live' && next.hasToken });
      // What was told last is not what is.
      panels.connectors.show(connectors, next.kind === 'live');
      panels.grants.tick();
    },
  });
  // As long as the page is open.
  setInterval(panels.grants.tick, 1000);
}

function awayWords(sinceMs: number): string {
  const at = timeWords(new Date(sinceMs).toISOString(), Date.now());
  return (
    `The stub cannot be reached since ${at}. Below is what it said last: connectors end their grants without it, and ` +
    'whatever they do meanwhile is told when it is back. Trying again each second.'
  );
}

const TOTALS: readonly { readonly name: string; readonly kinds: readonly GrantKind[] }[] = [
  { name: 'waiting', kinds: ['queued', 'taken', 'delayed'] },
  { name: 'active', kinds: ['active'] },
  { name: 'ending', kinds: ['ending'] },
  { name: 'ended', kinds: ['ended'] },
  { name: 'refused', kinds: ['failed'] },
];

function showTotals(totals: Readonly<Record<GrantKind, number>>): void {
  const parts = TOTALS.map(({ name, kinds }) => {
    const number = kinds.reduce((sum, kind) => sum + totals[kind], 0);
    return element('div', { class: name }, element('dt', {}, name), element('dd', {}, number.toLocaleString('en')));
  });
  byId('totals', HTMLElement).replaceChildren(...parts);
}

function violationWords(count: number): string {
  if (count === 0) return '';
  return `A connector has broken a rule of the protocol ${count === 1 ? 'once' : `${count} times`}: GET /violations tells which.`;
}

openConsole();
