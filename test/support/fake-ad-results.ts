import type { AdResult } from './fake-ad-messages.ts';

/** The texts of Active Directory, as they are in Microsoft's and others' records of them; the DSIDs differ by version. */
export const AD_RESULTS = {
  notBound: {
    code: 1,
    text: '000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563',
  },
  unknownExtension: { code: 2, text: '0000203D: LdapErr: DSID-0C090EEF, comment: Unknown extended request OID, data 0, v4563' },
  memberExists: { code: 68, text: '00000562: UpdErr: DSID-031A11CC, problem 6005 (ENTRY_EXISTS), data 0\n' },
  memberAbsent: { code: 53, text: '00000561: UpdErr: DSID-031A11DC, problem 5003 (WILL_NOT_PERFORM), data 0\n' },
  builtInAccount: { code: 53, text: '0000055B: SvcErr: DSID-031A11E5, problem 5003 (WILL_NOT_PERFORM), data 0\n' },
  unknownMember: {
    code: 32,
    text: "00000525: NameErr: DSID-031A11F5, problem 2001 (NO_OBJECT), data 0, best match of:\n\t''\n",
  },
  valueExists: {
    code: 20,
    text: '00002083: AtrErr: DSID-03151830, #1:\n\t0: 00002083: DSID-03151830, problem 1006 (ATT_OR_VALUE_EXISTS), data 0\n',
  },
  valueAbsent: {
    code: 16,
    text: '00002085: AtrErr: DSID-03152E29, #1:\n\t0: 00002085: DSID-03152E29, problem 1001 (NO_ATTRIBUTE_OR_VAL), data 0\n',
  },
  noRight: { code: 50, text: '00002098: SecErr: DSID-031514A0, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n' },
  badName: { code: 34, text: "0000208F: NameErr: DSID-03100245, problem 2006 (BAD_NAME), data 8350, best match of:\n\t''\n" },
  busy: { code: 51, text: '000020EF: SvcErr: DSID-02080442, problem 5001 (BUSY), data -1102' },
  goingDown: { code: 52, text: '00002085: LdapErr: DSID-0C06041A, comment: The server is shutting down, data 0, v4563' },
} as const satisfies Record<string, AdResult>;

/** The refusal of a bind: the sub-code says why to whoever can read it. */
export function bindRefused(subCode: string): AdResult {
  return {
    code: 49,
    text: `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data ${subCode}, v4563`,
  };
}

/** A referral of a read-only domain controller to one that can be written to. */
export function referredTo(host: string, dn: string): AdResult {
  return {
    code: 10,
    text: `0000202B: RefErr: DSID-0310082F, data 0, 1 access points\n\tref 1: '${host}'\n`,
    referral: [`ldap://${host}/${encodeURI(dn)}`],
  };
}
