import type { News, Session } from './answers.ts';
import { ask } from './ask.ts';

/** How the page and the stub stand to each other. */
export type Link =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live'; readonly hasToken: boolean }
  | { readonly kind: 'away'; readonly sinceMs: number }
  | { readonly kind: 'signed out' };

/** The stub says something every 5 s; when three of those have not come it is gone, however well the socket looks. */
const SILENCE_MS = 15_000;
const RETRY_MS = 1_000;

/**
 * Follows the stub's feed. Where it is lost, it is taken up again each second, for ever, since the page is of no use without;
 * each time it tells everything anew, so that nothing is missed. Returns what takes it up at once.
 */
export function followFeed(to: { news: (news: News) => void; link: (link: Link) => void }): { retry: () => void } {
  let source: EventSource | null = null;
  let timer = 0;
  let heardMs = Date.now();
  let attempt = 0;

  function within(ms: number, then: () => void): void {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  }

  function lose(): void {
    source?.close();
    source = null;
    to.link({ kind: 'away', sinceMs: heardMs });
    within(RETRY_MS, () => void take());
  }

  async function take(): Promise<void> {
    attempt += 1;
    const ours = attempt;
    // The feed itself could not say that it wants a token.
    const session = await ask<Session>('/console/session');
    if (ours !== attempt) return;
    if (session.kind !== 'answered') return lose();
    if (session.body.token === 'needed') return to.link({ kind: 'signed out' });
    const hasToken = session.body.token === 'given';
    source = new EventSource('/console/feed');
    within(SILENCE_MS, lose);
    source.addEventListener('error', lose);
    source.addEventListener('message', ({ data }: MessageEvent<string>) => {
      heardMs = Date.now();
      within(SILENCE_MS, lose);
      to.news(JSON.parse(data) as News);
      to.link({ kind: 'live', hasToken });
    });
  }

  function retry(): void {
    source?.close();
    clearTimeout(timer);
    void take();
  }

  to.link({ kind: 'connecting' });
  void take();
  return { retry };
}
