/** The name of this protocol in `Sec-WebSocket-Protocol`. */
export const SUBPROTOCOL = 'latchkey.v1';

/** Largest frame, in bytes of UTF-8 (PROTOCOL, Transport). */
export const MAX_FRAME_BYTES = 1_048_576;

/** Levels of arrays and objects in one frame; what this protocol defines needs 7. */
export const MAX_FRAME_DEPTH = 32;

/**
 * Values in one frame. A job has 20; the rest is room for fields of later versions, within what is read in a few milliseconds.
 * A full `grants.page` has 8,000, and pages of the directory more.
 */
export const MAX_VALUES_FROM_CONTROL_PLANE = 10_000;
export const MAX_VALUES_FROM_CONNECTOR = 100_000;

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
