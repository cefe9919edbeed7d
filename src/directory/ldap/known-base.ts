import type { EntryId } from '../../access/ids.ts';
import type { EntryRef } from '../../access/reference.ts';
import type { Logger } from '../../observability/logger.ts';
import { DirectoryError } from '../directory.ts';
import { ANY_ENTRY, idOf } from './entry.ts';
import type { Landscape } from './landscape.ts';
import { entryAt, type Place } from './place.ts';

/** Remembers the base entry that the recorded ids are of: told the one that is found, it says which one is known. */
export type KeepBase = (found: EntryRef) => Promise<EntryRef>;

/**
 * Whether the directory in use is still the one whose ids were recorded. A second server of LDAP_URL that holds another directory, one
 * that was built anew, or another LDAP_FLAVOUR, whose ids are of another attribute: none of the recorded ids is found there,
 * and every entry would look gone. What replicas share and such do not is the stable id of the base entry.
 */
export interface KnownBase {
  /** Called with each new session. */
  learnt(place: Omit<Place, 'onHybrid'>): Promise<void>;
  isStill(place: Omit<Place, 'onHybrid'>): Promise<boolean>;
}

export function knownBase({ keep, logger }: { keep: KeepBase; logger: Logger }): KnownBase {
  let known: EntryRef | null = null;
  let warned: EntryId | null = null;

  /** The base entry as this session shows it; null where it does not. */
  const baseIn = async (place: Omit<Place, 'onHybrid'>, dn: Landscape['baseDn']): Promise<EntryId | null> => {
    const { id } = place.landscape.flavour;
    try {
      const entry = await entryAt(place, { dn, filter: ANY_ENTRY, attributes: [id.attribute] }, undefined);
      return entry === null ? null : idOf(entry, id);
    } catch (error) {
      if (error instanceof DirectoryError) return null;
      throw error;
    }
  };

  return {
    async learnt(place) {
      const dn = place.landscape.baseDn;
      const id = await baseIn(place, dn);
      if (id === null) return;
      try {
        known = await keep({ id, dn });
      } catch (error) {
        // It is only needed for the proof that an entry is gone, which then waits for the next session.
        logger.warn({ event: 'directory.base-not-kept', error }, 'which directory this is could not be written down');
        return;
      }
      const now = known.dn === dn ? id : await baseIn(place, known.dn);
      if (now === null || now === known.id || now === warned) return;
      warned = now;
      logger.error(
        { event: 'directory.other-directory', base: known.dn, known: known.id, found: now },
        `"${known.dn}" has another id (${now}) than when the open grants were made (${known.id}): LDAP_URL names another directory, this one was built anew, or LDAP_FLAVOUR has changed. Nothing of then is believed gone until it is the same again, and endings of entries that are not found wait`,
      );
    },
    isStill: async (place) => known !== null && (await baseIn(place, known.dn)) === known.id,
  };
}
