import type { ConnectorRow, DirectoryState, StreamRow } from './answers.ts';
import { ask } from './ask.ts';
import { timeWords } from './countdown.ts';
import { byId, element, say, showList } from './dom.ts';
import { connectorWord } from './words.ts';

/** The connectors, each with its health and its directory. */
export function connectorsPanel({ nowMs }: { nowMs: () => number }) {
  const list = byId('connectors', HTMLUListElement);
  const empty = byId('connectors-empty', HTMLElement);
  const said = byId('connectors-said', HTMLElement);
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  say(byId('connect-how', HTMLElement), `LATCHKEY_CONTROL_PLANE_URL=${scheme}://${location.host}/connect npm start`);

  async function sync({ connectorId, name }: ConnectorRow): Promise<void> {
    const whose = name ?? connectorId;
    const asked = await ask('/syncs', { method: 'POST', body: { mode: 'delta', connectorId } });
    if (asked.kind === 'answered') say(said, `${whose} is asked for a sync.`);
    else if (asked.kind === 'refused') say(said, asked.problem);
    else say(said, 'The stub does not answer: it is not known whether it took the request.');
  }

  function fill(card: HTMLElement, row: ConnectorRow & { readonly isNow: boolean }): void {
    const { word, tone } = row.isNow ? connectorWord(row) : { word: `was ${connectorWord(row).word}`, tone: 'past' };
    const { connectorId, name, version, connected, since, directory, picture, stream, syncProblem } = row;
    const at = timeWords(since, nowMs());
    const label = `Sync now: ${name ?? connectorId}`;
    const button = element('button', { type: 'button', class: 'quiet', 'aria-label': label }, 'Sync now');
    button.addEventListener('click', () => void sync(row));
    const title = element(
      'div',
      { class: 'title' },
      element('h3', {}, name ?? connectorId),
      element('span', { class: `pill ${tone}` }, word),
    );
    const who = `${connectorId}, version ${version}, ${connected ? `connected since ${at}` : `last heard ${at}`}`;
    const lines = stream === null ? [] : [streamLine(stream)];
    if (syncProblem !== null) lines.push(element('div', { class: 'problem' }, `${syncProblem.code}: ${syncProblem.message}`));
    card.replaceChildren(title, element('p', { class: 'sub' }, who), facts(directory, picture, nowMs()), ...lines, button);
  }

  return {
    /** `areNow` is false while nobody knows how they are. */
    show(rows: readonly ConnectorRow[], areNow: boolean): void {
      empty.hidden = rows.length > 0 || !areNow;
      const shown = rows.map((row) => ({ ...row, isNow: areNow }));
      showList(list, shown, { key: ({ connectorId }) => connectorId, make: () => element('li', { class: 'card' }), fill });
    },
  };
}

function facts(directory: DirectoryState, picture: ConnectorRow['picture'], nowMs: number): HTMLElement {
  const list = element('dl', { class: 'facts' });
  const fact = (name: string, ...values: readonly string[]): void =>
    list.append(element('dt', {}, name), ...values.map((value) => element('dd', {}, value)));
  if (directory.kind === 'up') {
    fact('Directory', `${directory.product} (${directory.flavour})`);
    fact('Base', directory.baseDn);
    fact('People in', ...directory.usersScope);
    fact('Groups in', ...directory.groupsScope);
  } else {
    const { error } = directory;
    fact('Directory', error === null ? 'cannot be reached' : `${error.code}: ${error.message}`);
  }
  const told = picture === null ? 'no sync yet' : countWords(picture);
  fact('Told', picture === null ? told : `${told}, ${timeWords(picture.storedAt, nowMs)}`);
  return list;
}

function countWords({ users, groups, memberships }: { users: number; groups: number; memberships: number }): string {
  const count = (number: number) => number.toLocaleString('en');
  return `${count(users)} people, ${count(groups)} groups, ${count(memberships)} memberships`;
}

function streamLine({ mode, state, pages, records, problem }: StreamRow): HTMLElement {
  const many = `${records.toLocaleString('en')} records in ${pages} ${pages === 1 ? 'page' : 'pages'}`;
  const line = element('div', { class: 'stream' });
  if (state === 'running') line.append(element('progress', { 'aria-label': `${mode} sync` }), `${mode} sync: ${many} so far`);
  else
    line.append(state === 'stored' ? `last ${mode} sync: ${many}` : `${mode} sync ${state}: ${problem ?? 'no reason was given'}`);
  return line;
}
