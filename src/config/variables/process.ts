import * as values from '../values.ts';
import type { VariableRow } from './row.ts';

/** Where the connector keeps what it knows, and how it is watched. */
export const PROCESS = {
  LATCHKEY_STATE_DIR: {
    value: values.folder,
    default: './state',
    example: '/var/lib/latchkey',
    meaning: 'the ledger; mode 0700. On a local disk with at least 32 MiB free, and kept: what it forgets nobody ends',
  },
  LATCHKEY_BACKUP_DIR: {
    value: values.folder,
    example: '/mnt/backups',
    meaning:
      'a second folder for verified backups of the ledger, on another disk, which must be there; the connector keeps its own in a folder of its id',
  },
  LATCHKEY_RETENTION: {
    value: values.duration('1d', '36500d'),
    default: '90d',
    example: '365d',
    meaning: 'how long jobs, ended grants and the audit trail are kept; at least `LATCHKEY_MAX_GRANT` + 30 d',
  },
  LATCHKEY_HTTP_ADDR: {
    value: values.listenAddress,
    default: '127.0.0.1:9464',
    example: '0.0.0.0:9464',
    meaning: 'health and metrics; `off` for none',
  },
  LATCHKEY_LOG_LEVEL: {
    value: values.logLevel,
    default: 'info',
    example: 'debug',
    meaning: '`trace`, `debug`, `info`, `warn`, `error`, `fatal`',
  },
  LATCHKEY_LOG_FORMAT: {
    value: values.logFormat,
    unset: '`json`; on a terminal `pretty`',
    example: 'ecs',
    meaning:
      '`json`, one object a line; `pretty`, for people; `ecs`, one object a line with the field names of the Elastic Common Schema',
  },
  LATCHKEY_SHUTDOWN_GRACE: {
    value: values.duration('100ms', '10m'),
    default: '8s',
    example: '25s',
    meaning: 'how long a stop waits for what was begun',
  },
} as const satisfies Record<string, VariableRow<unknown>>;
