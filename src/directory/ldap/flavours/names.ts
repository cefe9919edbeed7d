/** The kinds of directory servers that are spoken to, as `LDAP_FLAVOUR` and the control plane know them. */
export const FLAVOUR_NAMES = ['openldap', '389ds', 'active-directory', 'generic'] as const;
export type FlavourName = (typeof FLAVOUR_NAMES)[number];
