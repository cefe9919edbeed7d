import type { Metrics } from '../observability/metrics.ts';
import type { Directory } from './directory.ts';

/** The same directory, of which is counted what is asked of it, what its probes saw, and how it came and went. */
export function observedDirectory(directory: Directory, metrics: Metrics): Directory {
  async function asked<T>(answer: Promise<T>): Promise<T> {
    const isOver = metrics.waits('directory');
    return await answer.finally(isOver);
  }
  let isFirst = true;
  directory.onChange(({ state }) => metrics.directoryChanged(state));
  directory.onFailover(() => {
    // It is told for the first server of a process too, which takes over from nobody.
    if (!isFirst) metrics.directoryFailedOver();
    isFirst = false;
  });

  return {
    ...directory,
    findUser: (ref, own, signal) => asked(directory.findUser(ref, own, signal)),
    findGroup: (ref, own, signal) => asked(directory.findGroup(ref, own, signal)),
    locateUser: (id, signal) => asked(directory.locateUser(id, signal)),
    locateUsers: (ids, signal) => asked(directory.locateUsers(ids, signal)),
    locateGroup: (id, signal) => asked(directory.locateGroup(id, signal)),
    occupant: (attribute, value, signal) => asked(directory.occupant(attribute, value, signal)),
    groupsNamed: (nameOrDn, signal) => asked(directory.groupsNamed(nameOrDn, signal)),
    protectorOf: (question, signal) => asked(directory.protectorOf(question, signal)),
    async probe(values, signal) {
      const presences = await asked(directory.probe(values, signal));
      metrics.probed(presences);
      return presences;
    },
    async change(change, probe) {
      const answer = await asked(directory.change(change, probe));
      metrics.probed(answer.presences);
      return answer;
    },
    sightGone: (missing, signal) => asked(directory.sightGone(missing, signal)),
  };
}
