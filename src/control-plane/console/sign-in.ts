import { ask } from './ask.ts';
import { byId, say } from './dom.ts';

/** The question for a token, where the stub listens beyond its own machine. */
export function signIn({ changed }: { changed: () => void }) {
  const panel = byId('sign-in', HTMLElement);
  const main = byId('main', HTMLElement);
  const token = byId('token', HTMLInputElement);
  const said = byId('sign-in-said', HTMLElement);
  const out = byId('sign-out', HTMLButtonElement);

  async function send(): Promise<void> {
    say(said, '');
    const answer = await ask('/console/session', { method: 'POST', body: { token: token.value.trim() } });
    if (answer.kind === 'unreachable') return say(said, 'The stub does not answer. Try again.');
    if (answer.kind === 'refused') return say(said, answer.problem);
    // The cookie stands for it from now on.
    token.value = '';
    changed();
  }

  byId('sign-in-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    void send();
  });
  out.addEventListener('click', () => {
    void ask('/console/session', { method: 'DELETE' }).then(changed);
  });

  return {
    show({ isAsked, hasToken }: { isAsked: boolean; hasToken: boolean }): void {
      out.hidden = !hasToken;
      if (panel.hidden !== isAsked) return;
      panel.hidden = !isAsked;
      main.hidden = isAsked;
      if (isAsked) token.focus();
    },
  };
}
