import { MEMBER_ATTRIBUTES, type MemberAttribute } from '../../access/membership.ts';
import type { Flavour } from './flavours/flavour.ts';
import type { Schema } from './schema.ts';

/** Where a group holds its members, and everything else that its classes would allow. */
export interface MemberStyle {
  readonly used: MemberAttribute | null;
  /** In order of preference; more than one makes a hybrid group. */
  readonly allowed: readonly MemberAttribute[];
}

/**
 * The attribute of a group's members by its object classes: what the flavour knows of each, and what the schema says where
 * there is one that it does not know. Where several are allowed, `member` wins over `uniqueMember`, and that over
 * `memberUid`: names follow their entries better than user names do.
 */
export async function memberStyle(
  flavour: Pick<Flavour, 'memberClasses'>,
  objectClasses: readonly string[],
  schema: () => Promise<Schema>,
): Promise<MemberStyle> {
  const { isUnknown } = knownClasses(flavour, objectClasses);
  return memberStyleIn(flavour, objectClasses, isUnknown ? await schema() : null);
}

/** The same by a schema that was read; null where it was not, and classes that the flavour does not know allow nothing. */
export function memberStyleIn(
  flavour: Pick<Flavour, 'memberClasses'>,
  objectClasses: readonly string[],
  schema: Schema | null,
): MemberStyle {
  const { classes, known, isUnknown } = knownClasses(flavour, objectClasses);
  const described = isUnknown && schema !== null ? schema.attributesOf(classes) : new Set<string>();
  const allowed = MEMBER_ATTRIBUTES.filter((name) => known.has(name) || described.has(name.toLowerCase()));
  return { used: allowed[0] ?? null, allowed };
}

function knownClasses({ memberClasses }: Pick<Flavour, 'memberClasses'>, objectClasses: readonly string[]) {
  const classes = objectClasses.map((name) => name.toLowerCase()).filter((name) => name !== 'top');
  const known = new Set(classes.flatMap((name) => memberClasses.get(name) ?? []));
  return { classes, known, isUnknown: classes.some((name) => !memberClasses.has(name)) };
}
