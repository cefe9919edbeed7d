import { CLOSE } from '../protocol/limits.ts';

/** When the link dials again, and what a person can do about it meanwhile. */
export interface Verdict {
  /** `cap`: only a person can change it, so the longest wait every time. */
  readonly pace: 'backoff' | 'cap';
  readonly advice: string;
}

type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];

/** Every close code of the protocol (PROTOCOL, Transport). */
const CLOSES: Record<CloseCode, Verdict> = {
  [CLOSE.shutdown]: { pace: 'backoff', advice: 'the control plane is restarting; nothing needs to be done' },
  [CLOSE.abuse]: {
    pace: 'cap',
    advice:
      'too many frames were refused: the two sides do not speak the same protocol; compare the versions of connector and control plane',
  },
  [CLOSE.tooLarge]: {
    pace: 'cap',
    advice: 'a frame was larger than 1 MiB, which the protocol forbids; report it to the vendor of the side that sent it',
  },
  [CLOSE.badHello]: {
    pace: 'cap',
    advice: 'the control plane did not accept our hello; check LATCHKEY_CONNECTOR_ID and LATCHKEY_NAME, and compare the versions',
  },
  [CLOSE.token]: {
    pace: 'cap',
    advice: 'the token is not valid for this connector; check LATCHKEY_CONTROL_PLANE_TOKEN and LATCHKEY_CONNECTOR_ID',
  },
  [CLOSE.duplicate]: {
    pace: 'cap',
    advice: 'another connector with the same id is connected; stop it, or give this one its own LATCHKEY_CONNECTOR_ID and token',
  },
  [CLOSE.version]: {
    pace: 'cap',
    advice: 'the control plane does not speak to this version; upgrade the connector or the control plane',
  },
};

/** Every HTTP answer to the upgrade that the protocol names. */
const REFUSALS: Record<401 | 403 | 426, Verdict> = {
  401: {
    pace: 'cap',
    advice: 'the token was not accepted; check LATCHKEY_CONTROL_PLANE_TOKEN, it may have been replaced or withdrawn',
  },
  403: { pace: 'cap', advice: 'the token is known but not allowed here; ask the administrator of the control plane' },
  426: {
    pace: 'cap',
    advice: 'the control plane does not speak latchkey.v1; upgrade it or the connector, and check LATCHKEY_CONTROL_PLANE_URL',
  },
};

const ANY_CLOSE: Verdict = {
  pace: 'backoff',
  advice: 'if it happens again and again, look at the log of the control plane and of any proxy between',
};

/** What a close code means for the next attempt. Total: unknown codes are retried with the backoff. */
export function closeVerdict(code: number): Verdict {
  return isKey(CLOSES, code) ? CLOSES[code] : ANY_CLOSE;
}

/** What an HTTP status means for the next attempt. Total, as {@link closeVerdict}. */
export function refusalVerdict(status: number): Verdict {
  if (isKey(REFUSALS, status)) return REFUSALS[status];
  if (status >= 300 && status < 400) {
    return { pace: 'backoff', advice: 'redirects are not followed; put the final address into LATCHKEY_CONTROL_PLANE_URL' };
  }
  if (status === 404 || status === 200) {
    return {
      pace: 'backoff',
      advice: 'there is a web server but no connector endpoint; check the path in LATCHKEY_CONTROL_PLANE_URL',
    };
  }
  if (status === 400) {
    return {
      pace: 'backoff',
      advice:
        'the request was not accepted; if the control plane demands a client certificate, check LATCHKEY_CONTROL_PLANE_CERT_FILE',
    };
  }
  return { pace: 'backoff', advice: 'the control plane or a proxy before it is in trouble; look at its log' };
}

function isKey<K extends number>(record: Record<K, Verdict>, code: number): code is K {
  return Object.hasOwn(record, code);
}
