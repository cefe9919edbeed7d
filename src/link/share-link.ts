import type { LinkConnection, LinkListener, SyncAnswer, SyncLink } from './link.ts';

/** Told what the control plane says of its stream; false for an acknowledgement of what was never sent. */
type Hear = (answer: SyncAnswer) => boolean;

/** The owner of a link as it was, and beside it the way of the sync streams. */
export interface SharedLink {
  readonly listener: LinkListener;
  readonly streams: SyncLink;
}

/** Lets sync streams use the connections of a link whose owner is someone else. */
export function shareLink(owner: Omit<LinkListener, 'syncAnswered'>): SharedLink {
  let connection: LinkConnection | null = null;
  let open: { readonly syncId: string; readonly hear: Hear } | null = null;
  let lastSyncId: string | null = null;

  return {
    listener: {
      hello: () => owner.hello(),
      async welcomed(welcome, welcomedConnection) {
        // Before the owner says so, since it may let work go on that waits for a connection.
        connection = welcomedConnection;
        return await owner.welcomed(welcome, welcomedConnection);
      },
      job: (received) => owner.job(received),
      unverified: (fault) => owner.unverified(fault),
      acknowledged: (seq) => owner.acknowledged(seq),
      syncAnswered(answer) {
        const about = answer.type === 'error' ? answer.ref : answer.syncId;
        if (open !== null && about === open.syncId) return open.hear(answer);
        // What was under way when a stream was aborted is no fault; nor is a refusal of anything else ours to judge.
        return answer.type === 'error' || about === lastSyncId;
      },
      lost() {
        connection = null;
        owner.lost();
      },
    },
    streams: {
      open(syncId, hear) {
        if (connection === null || open !== null) return null;
        const mine = { syncId, hear };
        open = mine;
        lastSyncId = syncId;
        return {
          connection,
          close() {
            if (open === mine) open = null;
          },
        };
      },
    },
  };
}
