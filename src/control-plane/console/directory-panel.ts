import { ask } from './ask.ts';
import { byId, element, say, showList } from './dom.ts';

/** What the page reads of a user of GET /users. */
export interface User {
  readonly connectorId: string;
  readonly id: string;
  readonly dn: string;
  readonly username: string;
  readonly fullName?: string;
  readonly email?: string;
  readonly enabled: boolean;
}

/** What the page reads of a group of GET /groups. */
export interface Group {
  readonly connectorId: string;
  readonly id: string;
  readonly dn: string;
  readonly name: string;
  readonly description?: string;
  readonly protected: boolean;
  readonly members: number;
}

interface Member {
  readonly userId: string;
  readonly source: 'standing' | 'grant';
  readonly username?: string;
}

const SHOWN = 50;
const MEMBERS_SHOWN = 1_000;
/** Between two letters of someone who types. */
const TYPING_MS = 150;

type View = 'users' | 'groups';

/** People and groups as syncs have told them, with a search. `pick` puts one into the form. */
export function directoryPanel(pick: { user: (user: User) => void; group: (group: Group) => void }) {
  const search = byId('search', HTMLInputElement);
  const count = byId('directory-count', HTMLElement);
  const empty = byId('directory-empty', HTMLElement);
  const tabs = { users: byId('users-tab', HTMLButtonElement), groups: byId('groups-tab', HTMLButtonElement) };
  const views = { users: byId('users-view', HTMLElement), groups: byId('groups-view', HTMLElement) };
  const rows = { users: byId('user-rows', HTMLElement), groups: byId('group-rows', HTMLElement) };
  let view: View = 'users';
  let isTold = false;
  let asking = new AbortController();
  let typing = 0;

  async function look(): Promise<void> {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    const shown = view;
    const sought = search.value.trim();
    const answer = await ask<readonly unknown[]>(`/${shown}?limit=${SHOWN + 1}&q=${encodeURIComponent(sought)}`, {}, signal);
    // What is there stays there until the stub can be asked again.
    if (answer.kind !== 'answered') return;
    const found = answer.body.slice(0, SHOWN);
    if (shown === 'users') showList(rows.users, found as readonly User[], { key: keyOf, make: line, fill: fillUser });
    else showList(rows.groups, found as readonly Group[], { key: keyOf, make: line, fill: fillGroup });
    const more = answer.body.length > SHOWN ? `the first ${SHOWN}` : String(found.length);
    say(count, isTold ? `${more} shown` : '');
    empty.hidden = found.length > 0;
    for (const table of views[shown].querySelectorAll('table')) table.hidden = found.length === 0;
    say(
      empty,
      isTold
        ? `Nobody and nothing matches “${sought}”.`
        : 'No sync has been told yet. A connector tells its directory after it has connected, and when it is asked to sync.',
    );
  }

  const refresh = (): void => void look().catch(() => undefined);

  function open(next: View): void {
    view = next;
    for (const name of ['users', 'groups'] as const) {
      tabs[name].setAttribute('aria-selected', String(name === next));
      tabs[name].tabIndex = name === next ? 0 : -1;
      views[name].hidden = name !== next;
    }
    refresh();
  }

  function fillUser(into: HTMLElement, user: User): void {
    const { username, fullName, email, enabled, dn } = user;
    const name = element('strong', {}, fullName ?? username);
    const off = enabled ? [] : [element('span', { class: 'pill past' }, 'disabled')];
    const button = element(
      'button',
      { type: 'button', class: 'quiet small', 'aria-label': `Request access for ${fullName ?? username}` },
      'Request',
    );
    button.addEventListener('click', () => pick.user(user));
    into.replaceChildren(cell(name, ...off, sub(dn)), cell(email ?? ''), cell(button));
  }

  function fillGroup(into: HTMLElement, group: Group): void {
    const { name, description, members, dn } = group;
    const who = element(
      'button',
      { type: 'button', class: 'quiet small', 'aria-label': `${members} members of ${name}: show` },
      String(members),
    );
    who.addEventListener('click', () => void showMembers(group));
    const button = element(
      'button',
      { type: 'button', class: 'quiet small', 'aria-label': `Request access to ${name}` },
      'Request',
    );
    button.addEventListener('click', () => pick.group(group));
    const last = group.protected
      ? element('span', { class: 'pill past', title: 'no grant of it is ever taken' }, 'protected')
      : button;
    into.replaceChildren(cell(element('strong', {}, name), sub(description ?? dn)), cell(who), cell(last));
  }

  async function showMembers({ id, name, connectorId }: Group): Promise<void> {
    const query = `limit=${MEMBERS_SHOWN}&connectorId=${encodeURIComponent(connectorId)}`;
    const answer = await ask<readonly Member[]>(`/groups/${encodeURIComponent(id)}/members?${query}`);
    say(byId('members-title', HTMLElement), `Members of ${name}`);
    const members = answer.kind === 'answered' ? answer.body : [];
    const problem = answer.kind === 'refused' ? answer.problem : 'The stub does not answer.';
    const many = `${members.length === MEMBERS_SHOWN ? 'the first ' : ''}${members.length}, as the last sync told them`;
    say(byId('members-count', HTMLElement), answer.kind === 'answered' ? many : problem);
    showList(byId('member-rows', HTMLElement), members, {
      key: ({ userId }) => userId,
      make: () => element('li'),
      fill(into, { username, userId, source }) {
        const why = element(
          'span',
          { class: `pill ${source === 'grant' ? 'good' : 'past'}` },
          source === 'grant' ? 'by a grant' : 'standing',
        );
        into.replaceChildren(element('span', {}, username ?? userId), why);
      },
    });
    byId('members', HTMLDialogElement).showModal();
  }

  search.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(refresh, TYPING_MS);
  });
  for (const name of ['users', 'groups'] as const) {
    const other = name === 'users' ? 'groups' : 'users';
    tabs[name].addEventListener('click', () => open(name));
    // WAI-ARIA Authoring Practices, Tabs: the arrows go from tab to tab.
    tabs[name].addEventListener('keydown', ({ key }) => {
      if (key !== 'ArrowLeft' && key !== 'ArrowRight') return;
      open(other);
      tabs[other].focus();
    });
  }

  return {
    /** The directory may have changed: a sync was stored, or the stub is back. */
    refresh(told: boolean): void {
      isTold = told;
      refresh();
    },
  };
}

function keyOf({ connectorId, id }: User | Group): string {
  return `${connectorId} ${id}`;
}

function line(): HTMLElement {
  return element('tr', { role: 'row' });
}

function cell(...content: readonly (string | Node)[]): HTMLElement {
  return element('td', { role: 'cell' }, ...content);
}

function sub(text: string): HTMLElement {
  return element('div', { class: 'sub dn', title: text }, text);
}
