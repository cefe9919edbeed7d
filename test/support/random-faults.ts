import { setTimeout as sleep } from 'node:timers/promises';
import type { SteadyLoad } from './steady-load.ts';
import type { System } from './system.ts';
import type { TcpProxy } from './tcp-proxy.ts';

/** One thing that goes wrong, and is right again when it resolves. */
export interface Fault {
  readonly name: string;
  strike(lastsMs: number): Promise<void>;
}

/** What can go wrong around a connector that goes on running: servers that hang, die and return, connections that break. */
export function faultsAround(
  s: System,
  { load, directory, controlPlane }: { load: SteadyLoad; directory: TcpProxy; controlPlane: TcpProxy },
): readonly Fault[] {
  const lasting = async (lastsMs: number, { begin, end }: { begin: () => void; end: () => void }): Promise<void> => {
    begin();
    await sleep(lastsMs);
    end();
  };
  const around = (name: string, proxy: TcpProxy): Fault[] => [
    { name: `${name}: connections reset`, strike: async () => proxy.reset() },
    { name: `${name}: answer lost`, strike: async () => proxy.loseNextAnswer() },
    { name: `${name}: answer cut`, strike: async () => proxy.loseNextAnswer(5) },
    { name: `${name}: nothing passes`, strike: (ms) => lasting(ms, { begin: proxy.stall, end: proxy.resume }) },
    {
      name: `${name}: connections refused`,
      strike: (ms) =>
        lasting(ms, {
          begin: () => {
            proxy.refuse();
            proxy.reset();
          },
          end: proxy.admit,
        }),
    },
  ];
  const restartSlapd = (how: NodeJS.Signals): Fault => ({
    name: `slapd: ${how} and started`,
    async strike(lastsMs) {
      await s.ldap.kill(how);
      await sleep(lastsMs);
      await s.ldap.start();
    },
  });
  const restartStub = (how: NodeJS.Signals): Fault => ({
    name: `control plane: ${how} and started`,
    async strike(lastsMs) {
      await load.stop();
      await s.stopStub(how);
      await sleep(lastsMs);
      await s.startStub();
      load.start();
    },
  });
  return [
    ...around('directory', directory),
    ...around('control plane', controlPlane),
    restartSlapd('SIGTERM'),
    restartSlapd('SIGKILL'),
    restartStub('SIGTERM'),
    restartStub('SIGKILL'),
    {
      name: 'slapd: suspended',
      async strike(lastsMs) {
        await s.ldap.kill('SIGSTOP');
        await sleep(lastsMs);
        await s.ldap.kill('SIGCONT');
      },
    },
    {
      name: 'control plane: suspended',
      strike: (ms) => lasting(ms, { begin: () => s.stub()?.signal('SIGSTOP'), end: () => s.stub()?.signal('SIGCONT') }),
    },
  ];
}
