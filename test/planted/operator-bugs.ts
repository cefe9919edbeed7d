import type { PlantedBug } from './planted-bug.ts';

const OPERATOR = ['engine/operator.test.ts'];

/** Faults in what a person on the machine asks for. */
export const OPERATOR_BUGS: readonly PlantedBug[] = [
  {
    fault: 'the ending that a person asked for is told as a revoke of the control plane',
    file: 'src/engine/operator-revoke.ts',
    find: "endGrant(grant, 'operator', at)",
    replace: "endGrant(grant, 'revoked', at)",
    tests: OPERATOR,
  },
  {
    fault: 'a grant that a person has cancelled while it waited is written all the same',
    file: 'src/engine/grant-attempt.ts',
    find: 'return revokes.length > 0 || grant.cancelledAt !== undefined;',
    replace: 'return revokes.length > 0 || Number(grant.cancelledAt) < 0;',
    tests: OPERATOR,
  },
  {
    fault: 'of two people whom a name could mean, the first is taken',
    file: 'src/engine/operator-choice.ts',
    find: 'if (others.length > 0)',
    replace: 'if (others.length > 9)',
    tests: OPERATOR,
  },
  {
    fault: 'what could not be ended is told as ended',
    file: 'src/engine/operator-revoke.ts',
    find: "answer: isOver ? 'ended' : 'left'",
    replace: "answer: isOver ? 'left' : 'ended'",
    tests: OPERATOR,
  },
  {
    fault: 'a pause is forgotten with the process',
    file: 'src/engine/engine.ts',
    find: 'pauseSince(await ledger.pausedSince())',
    replace: 'pauseSince(null)',
    tests: OPERATOR,
  },
  {
    fault: 'what waits for the directory is written although new grants are paused',
    file: 'src/engine/grant-membership.ts',
    find: 'reasonToStop(attempt, parts.time.now()) ?? pausedRefusal(parts);',
    replace: 'reasonToStop(attempt, parts.time.now());',
    also: {
      find: '      pausedRefusal(parts) ??\n',
      replace: '',
    },
    tests: OPERATOR,
  },
  {
    fault: 'what was under way when the clock was accepted sets the trusted time ahead again',
    file: 'src/engine/engine.ts',
    find: 'if (time.acceptedAt() === null || (await ledger.clockMark()) <= now) return ledger.advanceClock(now);',
    replace: 'if (time.acceptedAt() === null || now > 0) return ledger.advanceClock(now);',
    tests: OPERATOR,
  },
  {
    fault: 'any membership can be adopted, standing access too',
    file: 'src/engine/operator-commands.ts',
    find: "if (period?.standing !== 'unknown')",
    replace: 'if (period === null)',
    tests: OPERATOR,
  },
  {
    fault: 'a command that does it by itself begins the grants that wait',
    file: 'src/engine/engine.ts',
    find: 'options.endsOnly === true ? endingsOf(found) : found',
    replace: 'options.endsOnly === null ? endingsOf(found) : found',
    tests: OPERATOR,
  },
  {
    fault: 'the socket for commands is open to every user of the machine',
    file: 'src/operator/operator-socket.ts',
    find: 'chmodSync(path, 0o600);',
    replace: 'chmodSync(path, 0o666);',
    tests: ['operator/operator-socket.live.ts'],
  },
  {
    fault: 'a grant that waited for the directory is shown as waiting for good, though it was made',
    file: 'src/engine/claim-membership.ts',
    find: 'parts.overs.settled(grantId);',
    replace: 'void parts.overs;',
    tests: OPERATOR,
  },
];
