import { type BerWriter, Control } from 'ldapts';
import { ANY_ENTRY, valuesOf } from '../entry.ts';
import { entryAt } from '../place.ts';
import type { Session } from '../session.ts';
import { memberRightByDeletion, type OtherRightsAsked, type RightsTest } from './rights.ts';

/** Get effective rights (draft-ietf-ldapext-acl-model-08 §9.2): whoever asks about itself needs no right for that. */
class GetEffectiveRights extends Control {
  readonly #authzId: string;

  constructor(authzId: string) {
    super('1.3.6.1.4.1.42.2.27.9.5.2', { critical: true });
    this.#authzId = authzId;
  }

  override writeControl(writer: BerWriter): void {
    // The value is the authzId itself (RFC 4513 §5.2.1.8), within nothing.
    writer.writeString(this.#authzId, 0x04);
  }
}

/** Letters of entryLevelRights; `v`, to see it, is what the connector needs. */
const ENTRY_LEVEL: ReadonlyMap<string, string> = new Map([
  ['a', 'create such an entry'],
  ['d', 'delete it'],
  ['n', 'rename it'],
]);

/**
 * What the server says of effective rights. The members of a group are asked for by deletion all the same: the answer would
 * hold every member, since this server gives rights only together with values.
 */
export const RIGHTS_OF_389: RightsTest = {
  members: memberRightByDeletion,
  async others(session, { dn, attributes }: OtherRightsAsked, signal) {
    const authzId = `dn: ${session.account ?? (await ownName(session))}`;
    const control = new GetEffectiveRights(authzId);
    const wanted = [...attributes, 'entryLevelRights', 'attributeLevelRights'];
    const entry = await entryAt({ session }, { dn, filter: ANY_ENTRY, attributes: wanted, control }, signal);
    if (entry === null) return [];
    const [entryLevel = ''] = valuesOf(entry, 'entryLevelRights');
    const attributeLevel = valuesOf(entry, 'attributeLevelRights').join(', ');
    return [...ofEntry(entryLevel), ...ofAttributes(attributeLevel, attributes)];
  },
  standing: async () => [],
  untested: null,
};

/** An account without an entry, such as the Directory Manager. */
async function ownName(session: Session): Promise<string> {
  return ((await session.whoAmI()) ?? '').replace(/^dn:\s*/i, '');
}

function ofEntry(letters: string): readonly string[] {
  if (letters === 'none') return [];
  return [...ENTRY_LEVEL].flatMap(([letter, may]) => (letters.includes(letter) ? [may] : []));
}

/** `mail:rscwo, userPassword:none`: `w` is to write, `o` to delete a value. */
function ofAttributes(text: string, attributes: readonly string[]): readonly string[] {
  const letters = new Map(
    text.split(', ').map((one): [string, string] => {
      const at = one.lastIndexOf(':');
      return [one.slice(0, at).toLowerCase(), one.slice(at + 1)];
    }),
  );
  return attributes.flatMap((attribute) => {
    const may = letters.get(attribute.toLowerCase()) ?? 'none';
    return may !== 'none' && /[wo]/.test(may) ? [`change ${attribute}`] : [];
  });
}
