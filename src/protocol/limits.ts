/** The name of this protocol in `Sec-WebSocket-Protocol`. */
export const SUBPROTOCOL = 'latchkey.v1';

/** Largest frame, in bytes of UTF-8 (PROTOCOL, Transport). */
export const MAX_FRAME_BYTES = 1_048_576;

/** Levels of arrays and objects in one frame; what this protocol defines needs 7. */
export const MAX_FRAME_DEPTH = 32;

/** Values in one frame. A job has 20; the rest is room for fields of later versions, within what is read in a few milliseconds. */
export const MAX_VALUES_FROM_CONTROL_PLANE = 10_000;

/**
 * Characters of one signed job. The largest grant there can be has some 20,000 characters, mostly names, which base64url and
 * letters beyond ASCII make four times as many.
 */
export const MAX_JWS_LENGTH = 131_072;

/** A signed job lives for so long at most, and clocks may differ by so much (PROTOCOL, Signed jobs). */
export const MAX_SIGNED_JOB_LIFE_MS = 86_400_000;
export const SIGNED_JOB_TOLERANCE_MS = 120_000;

/** Records in one `sync.page`, and bytes of the frame, at most (PROTOCOL, Sync stream). */
export const MAX_SYNC_RECORDS = 500;
export const MAX_SYNC_PAGE_BYTES = 524_288;

/**
 * Values in one frame of a connector. A full `grants.page` has 8,000. A `sync.page` is bounded by its bytes, and no value of one
 * takes fewer than four of them (an address of one letter, its quotes and its comma), so every legal page passes.
 */
export const MAX_VALUES_FROM_CONNECTOR = MAX_SYNC_PAGE_BYTES / 4;

/** Pages of a sync stream sent and not yet acknowledged, at most. */
export const MAX_OUTSTANDING_PAGES = 8;

/** Members that one record adds, and that it removes, at most. */
export const MAX_SYNC_MEMBERS = 1000;

/**
 * What one record may say at most, in characters and in number. Whatever its characters, and however JSON spells them, such a
 * record is shorter than a page.
 */
export const MAX_SYNC_DN = 8192;
export const MAX_SYNC_TEXT = 4096;
export const MAX_SYNC_EMAIL = 320;
export const MAX_SYNC_EMAILS = 100;
export const MAX_SYNC_OWNERS = 1000;

/** Characters of a cursor, at most: it holds what the directory calls its own, such as a cookie with a stamp of every replica. */
export const MAX_SYNC_CURSOR = 16_384;

/** Refused frames within {@link INVALID_FRAME_WINDOW_MS} that close a connection with 1008. */
export const MAX_INVALID_FRAMES = 100;
export const INVALID_FRAME_WINDOW_MS = 60_000;

/** Events sent and not yet acknowledged on one connection, at most. */
export const MAX_UNACKNOWLEDGED_EVENTS = 500;

/** Jobs received and not yet stored, at which the connector stops reading the socket. */
export const MAX_UNSTORED_JOBS = 1000;

/** Grants in one `grants.page`, at most. */
export const MAX_GRANTS_PER_PAGE = 500;

/** How long `hello` waits for its `welcome`, in milliseconds. */
export const WELCOME_TIMEOUT_MS = 10_000;

/** Close codes of the WebSocket connection (PROTOCOL, Transport). */
export const CLOSE = {
  shutdown: 1001,
  abuse: 1008,
  tooLarge: 1009,
  badHello: 4400,
  token: 4401,
  duplicate: 4409,
  version: 4426,
} as const;
