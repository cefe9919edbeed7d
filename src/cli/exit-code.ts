/** Exit codes (CONFIGURATION, Commands); those from 64 on are sysexits(3). */
export const EXIT = { ok: 0, failed: 1, usage: 64, unavailable: 69, internal: 70, configuration: 78 } as const;
