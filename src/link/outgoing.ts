import type { WebSocket } from 'ws';

/** What is on its way to the peer. */
export interface Outgoing {
  /** Gives one text to the socket; `taken` is called when the kernel has it. False where the connection is lost. */
  send(text: string, taken?: () => void): boolean;
  /** Gives one text to the socket when the kernel has everything before it, and none such is left before. False where the connection is lost. */
  sendInTurn(text: string): Promise<boolean>;
  /** Resolves when the kernel has what was sent so far, or the connection is lost. */
  flushed(): Promise<void>;
  /** The connection is lost: whoever waits is let go. */
  lose(): void;
}

/** Counts what a socket was given and what it has passed on; ws calls back in the order of sending. */
export function openOutgoing(socket: WebSocket): Outgoing {
  let given = 0;
  let passedOn = 0;
  let lost = false;
  let turn: Promise<unknown> = Promise.resolve();
  let waiting: { readonly upTo: number; readonly resolve: () => void }[] = [];

  function letGo(): void {
    for (const { upTo, resolve } of waiting) if (lost || upTo <= passedOn) resolve();
    waiting = lost ? [] : waiting.filter(({ upTo }) => upTo > passedOn);
  }

  function send(text: string, taken?: () => void): boolean {
    if (lost || socket.readyState !== socket.OPEN) return false;
    given += 1;
    socket.send(text, (error) => {
      passedOn += 1;
      if (error === undefined || error === null) taken?.();
      letGo();
    });
    return true;
  }

  function flushed(): Promise<void> {
    if (lost || passedOn === given) return Promise.resolve();
    const upTo = given;
    return new Promise((resolve) => waiting.push({ upTo, resolve }));
  }

  async function sendClear(text: string): Promise<boolean> {
    // Bounded by what else is sent meanwhile: events stop at 500 unacknowledged ones, answers with the questions.
    while (!lost && passedOn < given) await flushed();
    return send(text);
  }

  return {
    send,
    flushed,
    sendInTurn(text) {
      const sent = turn.then(() => sendClear(text));
      turn = sent;
      return sent;
    },
    lose() {
      lost = true;
      letGo();
    },
  };
}
