/** In what servers differ that the connector meets (reliability facts, result codes as the servers really answer). */
export interface Personality {
  readonly flavour: 'openldap' | '389ds' | 'active-directory';
  /** Member values follow their entry when it is moved, renamed or deleted. */
  readonly referentialIntegrity: boolean;
  /** A group must not lose its last member: result 65. */
  readonly demandsMember: boolean;
  /** The name of an entry that does not exist cannot be added: result 32. */
  readonly refusesUnknown: boolean;
  readonly codes: {
    /** Adding a value that is there. */
    readonly exists: 20 | 68;
    /** Deleting a value that is not there, or a name that no entry has any more. */
    readonly absent: 16 | 53;
    readonly badName: 21 | 34;
  };
}

/** The codes of RFC 4511. */
export const RFC_CODES: Personality['codes'] = { exists: 20, absent: 16, badName: 21 };

/** The three servers, and OpenLDAP as it is with its referential integrity overlay. */
export const PERSONALITIES = {
  openldap: {
    flavour: 'openldap',
    referentialIntegrity: false,
    demandsMember: true,
    refusesUnknown: false,
    codes: RFC_CODES,
  },
  openldap_refint: {
    flavour: 'openldap',
    referentialIntegrity: true,
    demandsMember: true,
    refusesUnknown: false,
    codes: RFC_CODES,
  },
  '389ds': { flavour: '389ds', referentialIntegrity: false, demandsMember: false, refusesUnknown: false, codes: RFC_CODES },
  samba: {
    flavour: 'active-directory',
    referentialIntegrity: true,
    demandsMember: false,
    refusesUnknown: true,
    codes: { exists: 68, absent: 53, badName: 34 },
  },
} as const satisfies Record<string, Personality>;

export type ServerName = keyof typeof PERSONALITIES;
