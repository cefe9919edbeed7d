import type { ConnectorRow } from './answers.ts';
import { ask } from './ask.ts';
import type { Group, User } from './directory-panel.ts';
import { byId, element, say, showList } from './dom.ts';

type Reference = Readonly<Record<string, string>>;
type Suggestion = { readonly value: string; readonly label: string };

const SUGGESTIONS = 8;
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The form that asks for access. */
export function requestForm() {
  const form = byId('request', HTMLFormElement);
  const user = byId('user', HTMLInputElement);
  const group = byId('group', HTMLInputElement);
  const duration = byId('duration', HTMLInputElement);
  const unit = byId('unit', HTMLSelectElement);
  const reason = byId('reason', HTMLInputElement);
  const connector = byId('connector', HTMLSelectElement);
  const said = byId('request-said', HTMLElement);
  /** Whom a text means that was picked from the directory: a name alone may be that of several. */
  const picked = { user: new Map<string, string>(), group: new Map<string, string>() };
  /** The same request keeps its ids until it is answered, so that sending it again cannot make two of it. */
  let unanswered: { content: string; grantId: string; jobId: string } | null = null;

  function answerWith(tone: 'good' | 'bad' | 'wait', text: string): void {
    said.dataset['tone'] = tone;
    say(said, text);
  }

  async function send(): Promise<void> {
    const content = {
      ...(connector.value === '' ? {} : { connectorId: connector.value }),
      user: reference(user.value.trim(), picked.user, userReference),
      group: reference(group.value.trim(), picked.group, groupReference),
      durationSeconds: Number(duration.value) * Number(unit.value),
      ...(reason.value.trim() === '' ? {} : { justification: reason.value.trim() }),
    };
    const text = JSON.stringify(content);
    const isAgain = unanswered?.content === text;
    const { grantId, jobId } =
      unanswered !== null && isAgain ? unanswered : { grantId: crypto.randomUUID(), jobId: crypto.randomUUID() };
    unanswered = { content: text, grantId, jobId };
    answerWith('wait', 'Sending…');
    const answer = await ask('/grants', { method: 'POST', body: { ...content, grantId, jobId } });
    // Only our own request can have this id: it was taken the time before.
    const wasTaken = answer.kind === 'refused' && answer.status === 409 && isAgain && answer.problem.includes(jobId);
    if (answer.kind === 'unreachable')
      return answerWith(
        'bad',
        'The stub does not answer, and may or may not have taken the request. Send it again: it cannot be taken twice.',
      );
    unanswered = null;
    if (answer.kind === 'refused' && !wasTaken) return answerWith('bad', answer.problem);
    answerWith('good', `Requested: ${user.value.trim()} in ${group.value.trim()}. What becomes of it is among the grants.`);
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void send();
  });
  suggest(user, 'user-options', async (query, signal) =>
    (await entries<User>(`/users?${query}`, signal)).map(({ username, id, fullName, email }) => {
      remember(picked.user, username, id);
      return { value: username, label: [fullName, email].filter((text) => text !== undefined).join(', ') };
    }),
  );
  suggest(group, 'group-options', async (query, signal) =>
    (await entries<Group>(`/groups?${query}`, signal)).map(({ name, id, description = '' }) => {
      remember(picked.group, name, id);
      return { value: name, label: description };
    }),
  );

  function pick(input: HTMLInputElement, { text, id, connectorId }: { text: string; id: string; connectorId: string }): void {
    input.value = text;
    (input === user ? picked.user : picked.group).set(text, id);
    connector.value = connectorId;
    answerWith('wait', '');
    const next = [user, group, duration].find((one) => one.value === '') ?? duration;
    next.focus();
    form.scrollIntoView({ block: 'nearest' });
  }

  return {
    pickUser: ({ username, id, connectorId }: User) => pick(user, { text: username, id, connectorId }),
    pickGroup: ({ name, id, connectorId }: Group) => pick(group, { text: name, id, connectorId }),
    /** With several connectors, the form asks which one. */
    showConnectors(rows: readonly ConnectorRow[]): void {
      byId('connector-field', HTMLElement).hidden = rows.length < 2;
      showList(connector, rows.length < 2 ? [] : rows, {
        key: ({ connectorId }) => connectorId,
        make: () => element('option'),
        fill(option, { connectorId, name }) {
          option.value = connectorId;
          say(option, name === null ? connectorId : `${name} (${connectorId})`);
        },
      });
    },
  };
}

/** A name that two have says nothing of whom it means. */
function remember(ids: Map<string, string>, name: string, id: string): void {
  ids.set(name, ids.has(name) && ids.get(name) !== id ? '' : id);
}

/** The id of what was picked, else what the text looks like. An empty id stands for several that share the name. */
function reference(text: string, picked: ReadonlyMap<string, string>, otherwise: (text: string) => Reference): Reference {
  const id = picked.get(text) ?? '';
  return id === '' ? otherwise(text) : { id };
}

function userReference(text: string): Reference {
  if (text.includes('=')) return { dn: text };
  if (ID.test(text)) return { id: text.toLowerCase() };
  return text.includes('@') ? { email: text } : { username: text };
}

function groupReference(text: string): Reference {
  if (text.includes('=')) return { dn: text };
  return ID.test(text) ? { id: text.toLowerCase() } : { name: text };
}

/** Fills the list of suggestions while someone types; what comes late is thrown away. */
function suggest(
  input: HTMLInputElement,
  listId: string,
  found: (query: string, signal: AbortSignal) => Promise<readonly Suggestion[]>,
): void {
  const list = byId(listId, HTMLDataListElement);
  let asking = new AbortController();
  async function look(): Promise<void> {
    asking.abort();
    asking = new AbortController();
    const suggestions = await found(`limit=${SUGGESTIONS}&q=${encodeURIComponent(input.value.trim())}`, asking.signal);
    list.replaceChildren(...suggestions.map((suggestion) => element('option', { ...suggestion })));
  }
  for (const sign of ['input', 'focus']) input.addEventListener(sign, () => void look().catch(() => undefined));
}

async function entries<Entry>(path: string, signal: AbortSignal): Promise<readonly Entry[]> {
  const answer = await ask<readonly Entry[]>(path, {}, signal);
  return answer.kind === 'answered' ? answer.body : [];
}
