import type { Effort, Figure, Row } from './figure.ts';
import { grantAll, groupNames, groupsOfTen, records, spreadOver } from './grants.ts';
import { readings } from './readings.ts';
import { startSite } from './site.ts';
import { shown, shownSpread, spreadOf } from './statistics.ts';

const GROUPS = 20;
const GOAL = 0.5;

/** Two hundred grants in flight. */
export const grantsInFlight: Figure = {
  name: 'grants-in-flight',
  async measure(effort) {
    const durable = await compare(effort, true);
    const measured = effort.isQuick ? [durable] : [durable, await compare(effort, false)];
    return { rows: measured.map(({ row }) => row), notes: measured.map(({ note }) => note) };
  },
};

async function compare({ rounds, isQuick, say }: Effort, serverSyncs: boolean): Promise<{ row: Row; note: string }> {
  const [count, inFlight] = isQuick ? [40, 20] : [1_000, 200];
  const sets = Array.from({ length: rounds + 1 }, (_, round) => groupNames(`flight${round}`, GROUPS));
  const twins = sets.map((cns) => cns.map((cn) => `${cn}-twin`));
  await using site = await startSite({ people: count, groups: groupsOfTen([...sets, ...twins].flat()), serverSyncs });
  const connector = await site.startConnector({ stateDir: await site.newStateDir() });
  const rates: number[] = [];
  const references: number[] = [];
  const cpuMs: number[] = [];
  const commits: number[] = [];
  for (const [round, cns] of sets.entries()) {
    say(`${inFlight} grants in flight, server ${serverSyncs ? 'syncs' : 'does not sync'}, round ${round} of ${rounds}`);
    await readings(connector);
    const answers = await grantAll(site, { wanted: spreadOver(cns, count), inFlight });
    const read = await readings(connector);
    const referenceMs = await site.ldapmodify(records('add', spreadOver(twins[round] ?? [], count)));
    // The first is to warm up.
    if (round === 0) continue;
    const tookMs = Math.max(...answers.map(({ toldMs }) => toldMs)) - Math.min(...answers.map(({ sentMs }) => sentMs));
    rates.push((count * 1000) / tookMs);
    references.push((count * 1000) / referenceMs);
    cpuMs.push(read.cpuMs / count);
    commits.push(count / read.sqlite.commits);
  }
  const ratio = spreadOf(rates.map((rate, i) => rate / (references[i] ?? NaN))).median;
  const server = serverSyncs ? 'the server syncs each write' : 'the server does not sync (the sandbox as it is)';
  return {
    row: {
      measured: `${inFlight} grants in flight, ${server}: grants per second`,
      connector: shownSpread(rates, '/s'),
      reference: shownSpread(references, '/s'),
      ratio: shown(ratio),
      goal: `≥ ${GOAL} ×`,
      isMet: ratio >= GOAL,
    },
    note: `Where ${server}: ${shown(spreadOf(cpuMs).median)} ms of the connector's processor a grant, ${shown(spreadOf(commits).median)} grants a transaction of the ledger.`,
  };
}
