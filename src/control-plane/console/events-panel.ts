import type { EventRow, GrantRow } from './answers.ts';
import { timeWords } from './countdown.ts';
import { byId, element, showList } from './dom.ts';
import { eventTone, eventWords } from './words.ts';

const SHOWN = 200;

/** The last events, the latest first, each with what the connector wrote. */
export function eventsPanel({ nowMs, grants }: { nowMs: () => number; grants: ReadonlyMap<string, GrantRow> }) {
  const list = byId('events', HTMLOListElement);
  const empty = byId('events-empty', HTMLElement);
  const checkpoints = byId('checkpoints', HTMLInputElement);
  let rows: readonly EventRow[] = [];

  function fill(into: HTMLElement, row: EventRow): void {
    const { at, event } = row;
    const whole = element('details', {}, element('summary', {}, eventWords(row, grants)));
    // Written out only for those who look.
    whole.addEventListener('toggle', () => {
      if (whole.open && whole.children.length === 1)
        whole.append(element('pre', { tabindex: '0' }, JSON.stringify(row, null, 2)));
    });
    const time = element('time', { datetime: at, title: at }, timeWords(at, nowMs()));
    into.replaceChildren(time, element('span', { class: `kind ${eventTone(row)}` }, event.kind), whole);
  }

  function show(): void {
    const shown = rows.filter(({ event }) => checkpoints.checked || event.kind !== 'audit.checkpoint');
    empty.hidden = shown.length > 0;
    list.hidden = shown.length === 0;
    showList(list, shown.toReversed(), { key: ({ index }) => String(index), make: () => element('li'), fill });
  }

  checkpoints.addEventListener('change', show);
  return {
    forget(): void {
      rows = [];
    },
    add(more: readonly EventRow[]): void {
      rows = [...rows, ...more].slice(-SHOWN);
      show();
    },
  };
}
