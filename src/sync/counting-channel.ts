import type { SyncChannel } from './channel.ts';

/** A channel that tells how many records of the stream have been taken, page by page. */
export function countingChannel(channel: SyncChannel, tell: (records: number) => void): SyncChannel {
  return {
    async begin(begin) {
      const stream = await channel.begin(begin);
      let records = 0;
      return {
        async page(page) {
          await stream.page(page);
          records += page.length;
          tell(records);
        },
        end: (end) => stream.end(end),
        abort: (error) => stream.abort(error),
      };
    },
  };
}
