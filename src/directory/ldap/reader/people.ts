import { type Dn, leafRdn } from '../../../access/dn.ts';
import type { ReadUser } from '../../directory-reader.ts';
import type { WantedAttribute } from './attribute-places.ts';
import type { DecodedEntry } from './decoded-entry.ts';
import { factPlaces, factsEntry, idAt } from './facts-entry.ts';
import { columns, type ReadPlace, textsAt } from './mapping.ts';

/** Reads users from entries. */
export interface PeopleReader {
  readonly wanted: readonly WantedAttribute[];
  user(entry: DecodedEntry): ReadUser;
}

/** RFC 4517 §3.3.15: what is not ASCII cannot be a value of `memberUid`. */
const IA5_STRING = /^\p{ASCII}+$/u;

/** What a user's entry is read as. */
export function peopleReader({ landscape, mapping }: ReadPlace): PeopleReader {
  const { flavour, usernameAttribute, emailAttribute } = landscape;
  const { id: stableId, uidAttribute, otherEmails } = flavour;
  const fullNameAttribute = mapping.fullNameAttribute ?? flavour.fullNameAttribute;
  const cells = columns({
    bytes: [stableId.attribute, ...flavour.user.attributes],
    text: [
      usernameAttribute,
      fullNameAttribute,
      emailAttribute,
      mapping.managerAttribute,
      uidAttribute,
      ...(otherEmails === null ? [] : [otherEmails.attribute]),
    ],
  });
  const facts = factPlaces(cells, flavour.user.attributes);
  const [id, username, fullName, email, manager, uid] = [
    cells.place(stableId.attribute),
    cells.place(usernameAttribute),
    cells.place(fullNameAttribute),
    cells.place(emailAttribute),
    cells.place(mapping.managerAttribute),
    cells.place(uidAttribute),
  ];
  const others = otherEmails === null ? null : cells.place(otherEmails.attribute);

  const emailsOf = (entry: DecodedEntry): readonly string[] => {
    const own = textsAt(entry, email);
    if (otherEmails === null || others === null) return own;
    const more = textsAt(entry, others);
    if (more.length === 0) return own;
    return distinct([...own, ...more.flatMap((value) => otherEmails.read(value) ?? [])]);
  };
  return {
    wanted: cells.wanted,
    user(entry) {
      const { primaryGroup, enabled } = flavour.user.facts(factsEntry(entry, facts));
      const uids = textsAt(entry, uid);
      const [named] = textsAt(entry, username);
      return {
        id: idAt(entry, { place: id, stableId }),
        dn: entry.dn,
        username: named ?? nameIn(entry.dn),
        namedBy: named === undefined ? 'dn' : 'attribute',
        fullName: textsAt(entry, fullName)[0] ?? null,
        emails: emailsOf(entry),
        managerDn: textsAt(entry, manager)[0] ?? null,
        enabled,
        uids: uids.every((one) => IA5_STRING.test(one)) ? uids : uids.filter((one) => IA5_STRING.test(one)),
        primaryGroup,
      };
    },
  };
}

/** A person without the attribute is called as its entry is. */
function nameIn(dn: string): string {
  const [part] = leafRdn(dn as Dn);
  return typeof part?.value === 'string' && part.value !== '' ? part.value : dn;
}

/** Addresses differ in case without being others (RFC 5321 §2.4, as everybody takes it); the first spelling stays. */
function distinct(addresses: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return addresses.filter((address) => {
    const folded = address.toLowerCase();
    return !seen.has(folded) && seen.add(folded);
  });
}
