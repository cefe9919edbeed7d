import type { Clock } from '../../access/clock.ts';
import type { Logger } from '../../observability/logger.ts';
import { DirectoryError } from '../directory.ts';
import { adviceOn, adviceOnResult, type BindWords, bindWords } from './bind-advice.ts';
import type { BindGate } from './bind-refusal.ts';
import type { BindWay, Credential } from './credential.ts';
import { proveIdentity } from './identity.ts';
import type { LdapResult } from './ldap-message.ts';
import type { OpenStage } from './opener.ts';
import { answeredError, faultOf } from './result-codes.ts';
import type { Session } from './session.ts';

export interface BindOptions {
  readonly session: Session;
  readonly bind: BindWay;
  readonly credential: Credential;
  readonly gate: BindGate;
  readonly onStage: (stage: OpenStage) => void;
  /** Told what an accepted bind's answer says of the password. */
  readonly onPasswordWords: (words: BindWords, account: string) => void;
}

/**
 * Binds and proves who the server takes us for. Rejects with `bind_refused` for result 49, which the gate remembers, and with
 * `unavailable` for everything else: no answer to a bind says anything of what was asked of us.
 */
export async function bind(options: BindOptions): Promise<void> {
  const { session, bind: way, credential, gate, onStage } = options;
  const account = accountOf(way);
  const result = await session.bind(credential.simple);
  const words = bindWords(result);
  if (result.resultCode !== 0) {
    if (faultOf(result.resultCode) === 'bind_refused') await gate.refused(credential);
    throw refusal(result, words, way);
  }
  await gate.accepted(credential);
  if (words.trouble !== null)
    throw new DirectoryError(
      'unavailable',
      `The directory accepted the bind of ${account} for nothing but a change of the password. ${adviceOn(words.trouble)}`,
    );
  options.onPasswordWords(words, account);
  const identity = await proveIdentity(session, way.name);
  if (!identity.proved)
    throw new DirectoryError('unavailable', `The directory accepted the bind of ${account} but ${identity.why}.`);
  session.proved(identity.account);
  onStage({ stage: 'bind', identity: identity.shown });
}

/** For people: the configured name, or what stands for it. */
export function accountOf(way: BindWay): string {
  return way.name?.text ?? 'the client certificate';
}

function refusal(result: LdapResult, { trouble }: BindWords, way: BindWay): DirectoryError {
  const error = answeredError(result, `bind as ${accountOf(way)}`);
  if (error.fault !== 'bind_refused') {
    // 389 Directory Server calls an inactivated account locked by the control, and tells it apart by its result.
    const advice = adviceOnResult(result.resultCode) ?? (trouble === null || trouble === 'unsaid' ? null : adviceOn(trouble));
    return new DirectoryError('unavailable', advice === null ? error.message : `${error.message} ${advice}`, {
      ldap: error.ldap,
    });
  }
  const advice =
    way.mechanism === 'external'
      ? 'Check that the directory maps the client certificate to an account.'
      : adviceOn(trouble ?? 'unsaid');
  const later = 'So as not to lock the account, it is not tried again for a while, unless what it binds with is changed.';
  return new DirectoryError('bind_refused', `${error.message} ${advice} ${later}`, { ldap: error.ldap });
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Tells of a password that expires, once a day: the servers warn for a week or more (pwdExpireWarning, passwordWarning), and
 * each new session hears of it.
 */
export function expiryWarning({ logger, clock }: { logger: Logger; clock: Clock }): (words: BindWords, account: string) => void {
  let toldAtMs = Number.NEGATIVE_INFINITY;
  return ({ expiresInMs, graceLeft }, account) => {
    if ((expiresInMs === null && graceLeft === null) || clock.monotonicMs() - toldAtMs < DAY_MS) return;
    toldAtMs = clock.monotonicMs();
    const days = expiresInMs === null ? null : Math.floor(expiresInMs / DAY_MS);
    const how = graceLeft === null ? 'expires soon' : 'has expired and is accepted a few times more';
    logger.warn(
      { event: 'directory.password-expires', days, graceLeft },
      `the password of ${account} ${how}: set a new one in the directory and configure it`,
    );
  };
}
