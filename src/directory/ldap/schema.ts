import { parseDn } from '../../access/dn.ts';
import { DirectoryError } from '../directory.ts';
import { ANY_ENTRY, valuesOf } from './entry.ts';
import type { Session } from './session.ts';

/** The part of a server's schema that says where a group can hold its members. */
export interface Schema {
  /** The attributes, in lower case, that an entry of these object classes may have, what they inherit included. */
  attributesOf(objectClasses: readonly string[]): ReadonlySet<string>;
}

interface ObjectClass {
  readonly names: readonly string[];
  readonly superiors: readonly string[];
  readonly attributes: readonly string[];
}

/** Allows any attribute to any entry (RFC 4512 §4.3), so it says nothing of what the entry is for. */
const EXTENSIBLE_OBJECT = 'extensibleobject';

/** Reads the object classes of the subschema subentry (RFC 4512 §4.4). One that cannot be read is empty: nothing is known. */
export async function readSchema(session: Session, subschemaSubentry: string | undefined): Promise<Schema> {
  return schemaOf(await definitionsIn(session, subschemaSubentry, 'objectClasses'));
}

/** The names and object identifiers, in lower case, of all attributes that the server knows (RFC 4512 §4.2.2); empty where that cannot be read. */
export async function readAttributeTypes(session: Session, subschemaSubentry: string | undefined): Promise<ReadonlySet<string>> {
  return new Set((await definitionsIn(session, subschemaSubentry, 'attributeTypes')).flatMap((text) => definition(text).names));
}

async function definitionsIn(
  session: Session,
  subschemaSubentry: string | undefined,
  attribute: 'objectClasses' | 'attributeTypes',
): Promise<readonly string[]> {
  const dn = subschemaSubentry === undefined ? undefined : parseDn(subschemaSubentry);
  if (dn?.ok !== true) return [];
  const request = { base: dn.value, scope: 'base', filter: ANY_ENTRY, attributes: [attribute], sizeLimit: 1 } as const;
  try {
    const [entry] = (await session.search(request)).entries;
    return entry === undefined ? [] : valuesOf(entry, attribute);
  } catch (error) {
    if (error instanceof DirectoryError && error.ldap !== null) return [];
    throw error;
  }
}

/** The schema that object class descriptions make (RFC 4512 §4.1.1). One that cannot be read is passed over. */
export function schemaOf(descriptions: readonly string[]): Schema {
  const classes = new Map<string, ObjectClass>();
  for (const description of descriptions) {
    const objectClass = readObjectClass(description);
    for (const name of objectClass.names) classes.set(name, objectClass);
  }
  return {
    attributesOf(objectClasses) {
      const attributes = new Set<string>();
      const met = new Set<string>([EXTENSIBLE_OBJECT]);
      const open = objectClasses.map((name) => name.toLowerCase());
      // Each class is opened once, however the descriptions refer to one another.
      for (let name = open.pop(); name !== undefined; name = open.pop()) {
        if (met.has(name)) continue;
        met.add(name);
        const objectClass = classes.get(name);
        for (const attribute of objectClass?.attributes ?? []) attributes.add(attribute);
        open.push(...(objectClass?.superiors ?? []));
      }
      return attributes;
    },
  };
}

function readObjectClass(description: string): ObjectClass {
  const { names, after } = definition(description);
  return { names, superiors: after('SUP'), attributes: [...after('MUST'), ...after('MAY')] };
}

/** What every kind of definition has: an object identifier, names, and lists behind words. */
function definition(description: string): { names: readonly string[]; after: (keyword: string) => readonly string[] } {
  const words: readonly string[] = description.match(/'[^']*'|[()$]|[^\s()$']+/g) ?? [];
  const after = (keyword: string): string[] => {
    const at = words.indexOf(keyword);
    if (at < 0) return [];
    const end = words[at + 1] === '(' ? words.indexOf(')', at) : at + 2;
    return words
      .slice(at + 1, end < 0 ? words.length : end)
      .filter((word) => word !== '(' && word !== '$')
      .map((word) => word.replaceAll("'", '').toLowerCase());
  };
  const oid = words[1]?.toLowerCase();
  return { names: [...(oid === undefined ? [] : [oid]), ...after('NAME')], after };
}
