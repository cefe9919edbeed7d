import type { Duplex } from 'node:stream';
import type { GuardedSocket } from './guard.ts';
import type { LdapResult } from './ldap-message.ts';

/** The connection of a session, lent to whoever reads it by other means than ldapts. */
export interface LentConnection {
  send(request: Buffer): void;
  /** Leaves what comes in the socket until `resume`. */
  pause(): void;
  resume(): void;
  /** Told where a search was referred to for a part of its answer. */
  onReferences(uris: readonly string[]): void;
  /** Told what a search came to, and how long that took in milliseconds; without a result where the connection ended first. */
  onAnswer(result: LdapResult | undefined, tookMs: number): void;
  /** Nothing that was asked may still be unanswered. */
  giveBack(): void;
}

/** Hands what comes on a connection to `take`, past the guard and ldapts, until it is given back. */
export function lendConnection(options: {
  inner: Duplex;
  guard: GuardedSocket;
  take: (chunk: Buffer) => void;
  onReferences: ((uris: readonly string[]) => void) | undefined;
  onAnswer: LentConnection['onAnswer'];
  onReturn: () => void;
}): LentConnection {
  const { inner, guard, take, onReferences, onAnswer, onReturn } = options;
  guard.divert(take);
  return {
    send: (request) => void inner.write(request),
    pause: () => void inner.pause(),
    resume: () => void inner.resume(),
    onReferences: (uris) => onReferences?.(uris),
    onAnswer,
    giveBack: () => {
      guard.divert(null);
      onReturn();
    },
  };
}
