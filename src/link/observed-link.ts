import type { Metrics } from '../observability/metrics.ts';
import type { LinkListener } from './link.ts';

/** The same owner of a link, of whose connections is counted how many were welcomed and lost. */
export function observedListener(listener: LinkListener, metrics: Metrics): LinkListener {
  return {
    ...listener,
    async welcomed(welcome, connection) {
      metrics.linkChanged('welcomed');
      return await listener.welcomed(welcome, connection);
    },
    unverified(fault) {
      metrics.jobUnverified(fault);
      listener.unverified(fault);
    },
    lost() {
      metrics.linkChanged('lost');
      listener.lost();
    },
  };
}
