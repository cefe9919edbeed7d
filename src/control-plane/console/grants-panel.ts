import type { GrantKind, GrantRow, GrantState, Named } from './answers.ts';
import { ask } from './ask.ts';
import { leftWords, timeWords } from './countdown.ts';
import { byId, element, focusAgain, say, showList } from './dom.ts';
import { nameOf, stateDetail, stateWord } from './words.ts';

/** Those above are what a person can still do something about. */
const RANK: Readonly<Record<GrantKind, number>> = { ending: 0, delayed: 1, queued: 1, taken: 1, active: 2, failed: 3, ended: 3 };
const SHOWN = 300;
/** From here on a countdown is marked. */
const SOON_MS = 60_000;

/**
 * The grants with their countdowns, and the question before one is revoked. `isCertain` says whether the connector can be
 * heard.
 */
export function grantsPanel(of: { nowMs: () => number; isCertain: (connectorId: string) => boolean }) {
  const { nowMs, isCertain } = of;
  const body = byId('grant-rows', HTMLTableSectionElement);
  const table = byId('grants', HTMLTableElement);
  const empty = byId('grants-empty', HTMLElement);
  const said = byId('grants-said', HTMLElement);
  const dialog = byId('revoke', HTMLDialogElement);
  const reason = byId('revoke-reason', HTMLInputElement);
  let askedFor = '';
  let askedFrom: Element | null = null;

  byId('revoke-form', HTMLFormElement).addEventListener('submit', (event) => {
    if (event.submitter instanceof HTMLButtonElement && event.submitter.value === 'revoke') void revoke(askedFor, reason.value);
  });

  // The row may have been written anew while the question was open.
  dialog.addEventListener('close', () => {
    if (askedFrom !== null) focusAgain(body, askedFrom);
  });

  async function revoke(grantId: string, why: string): Promise<void> {
    const query = why.trim() === '' ? '' : `?reason=${encodeURIComponent(why.trim())}`;
    const answer = await ask(`/grants/${encodeURIComponent(grantId)}${query}`, { method: 'DELETE' });
    if (answer.kind === 'refused') say(said, answer.problem);
    // To revoke twice does no harm, so that nothing has to be found out first.
    else if (answer.kind === 'unreachable') say(said, 'The stub does not answer: the grant may not be revoked. Try again.');
    else say(said, 'The revoke is on its way to the connector.');
  }

  function openRevoke(row: GrantRow): void {
    askedFor = row.grantId;
    askedFrom = document.activeElement;
    reason.value = '';
    say(byId('revoke-what', HTMLElement), `${nameOf(row.user)} leaves ${nameOf(row.group)} now.`);
    dialog.showModal();
  }

  function fill(line: HTMLElement, row: GrantRow): void {
    const { user, group, state, reason: why, grantId } = row;
    const { word, tone } = stateWord(state);
    line.className = `${tone} ${state.kind}`;
    const isOver = state.kind === 'ended' || state.kind === 'failed';
    const label = `Revoke: ${nameOf(user)} in ${nameOf(group)}`;
    const button = element('button', { type: 'button', class: 'quiet small', 'aria-label': label }, 'Revoke');
    button.addEventListener('click', () => openRevoke(row));
    line.replaceChildren(
      cell('person', element('strong', {}, nameOf(user)), dnOf(user)),
      cell('group', element('strong', {}, nameOf(group)), dnOf(group)),
      cell('state', element('span', { class: `pill ${tone}`, title: `grant ${grantId}` }, word)),
      endsCell(row),
      cell('why', why ?? ''),
      cell('do', ...(isOver ? [] : [button])),
    );
  }

  function endsCell({ state, askedAt, connectorId }: GrantRow): HTMLElement {
    const detail = stateDetail(state);
    const notes = detail === '' ? [] : [element('div', { class: 'detail' }, detail)];
    const ends = endOf(state);
    switch (state.kind) {
      case 'active':
      case 'ending': {
        if (ends === null) return cell('ends', ...notes);
        const left = element('div', { class: 'left', role: 'timer', 'data-ends': ends, 'data-connector': connectorId });
        const total = Date.parse(ends) - Date.parse(state.kind === 'active' ? (state.since ?? askedAt) : askedAt);
        const bar = element('progress', { max: String(Math.max(1, total)), 'aria-hidden': 'true' });
        return cell('ends', element('div', { class: 'when' }, left, sub(`at ${timeWords(ends, nowMs())}`)), bar, ...notes);
      }
      case 'ended':
        return cell('ends', ...notes, ...(state.at === null ? [] : [sub(`at ${timeWords(state.at, nowMs())}`)]));
      case 'delayed':
        return cell('ends', ...notes, sub(`tried again at ${timeWords(state.nextAttemptAt, nowMs())}`));
      case 'queued':
      case 'taken':
      case 'failed':
        return cell('ends', ...notes, sub(`asked at ${timeWords(askedAt, nowMs())}`));
      default:
        return state satisfies never;
    }
  }

  /** Each second: what is left, and the truth about what should be over. */
  function tick(): void {
    for (const left of body.querySelectorAll<HTMLElement>('[data-ends]')) {
      const { ends = '', connector = '' } = left.dataset;
      const leftMs = Date.parse(ends) - nowMs();
      const bar = left.closest('td')?.querySelector('progress') ?? null;
      if (bar !== null) bar.value = Math.max(0, leftMs);
      left.classList.toggle('soon', leftMs < SOON_MS);
      say(left, leftMs > 0 ? leftWords(leftMs) : isCertain(connector) ? 'time is up' : 'time is up, not confirmed');
    }
  }

  return {
    tick,
    show(grants: Iterable<GrantRow>): void {
      const rows = [...grants].toSorted(inOrder);
      empty.hidden = rows.length > 0;
      table.hidden = rows.length === 0;
      showList(body, rows.slice(0, SHOWN), {
        key: ({ grantId }) => grantId,
        make: () => element('tr', { role: 'row' }),
        fill,
      });
      tick();
    },
    /** Says aloud what has become of one. */
    tell(row: GrantRow): void {
      const { word } = stateWord(row.state);
      const ends = row.state.kind === 'active' ? endOf(row.state) : null;
      const until = ends === null ? '' : ` until ${timeWords(ends, nowMs())}`;
      const detail = stateDetail(row.state);
      say(said, `${nameOf(row.user)} in ${nameOf(row.group)}: ${word}${until}${detail === '' ? '' : `, ${detail}`}`);
    },
  };
}

function cell(name: string, ...content: readonly (string | Node)[]): HTMLElement {
  return element('td', { role: 'cell', class: name }, ...content);
}

function sub(text: string): HTMLElement {
  return element('div', { class: 'sub' }, text);
}

/** On one line; the whole of it where a pointer rests. */
function dnOf({ dn, asked }: Named): HTMLElement {
  const text = dn ?? asked;
  return element('div', { class: 'sub dn', title: text }, text);
}

function endOf(state: GrantState): string | null {
  return state.kind === 'active' || state.kind === 'ending' ? state.expiresAt : null;
}

/** What is wrong first, then what ends first, then what ended last. */
function inOrder(one: GrantRow, other: GrantRow): number {
  const byRank = RANK[one.state.kind] - RANK[other.state.kind];
  if (byRank !== 0) return byRank;
  if (RANK[one.state.kind] === RANK.ended) return overAt(other).localeCompare(overAt(one));
  return (endOf(one.state) ?? one.askedAt).localeCompare(endOf(other.state) ?? other.askedAt);
}

function overAt({ state, askedAt }: GrantRow): string {
  return state.kind === 'ended' ? (state.at ?? askedAt) : askedAt;
}
