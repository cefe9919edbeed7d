import { startDs389 } from '../../src/sandbox/ds389.ts';
import { RFC_DIFFERENCES } from '../support/directory-contract/world.ts';
import { directoryContract } from '../support/directory-contract.ts';
import { directoryWorld } from '../support/directory-world.ts';
import { ds389Admin } from '../support/ds389-admin.ts';

for (const { transport, memberof } of [
  { transport: 'ldaps', memberof: false },
  { transport: 'StartTLS', memberof: true },
] as const) {
  directoryContract(`389 Directory Server over ${transport}${memberof ? ', with memberOf and referential integrity' : ''}`, {
    differences: {
      ...RFC_DIFFERENCES,
      hasReferentialIntegrity: memberof,
      demandsMember: false,
      missingGroup: 'refused',
      normalisesNames: false,
      findsAnyDepth: memberof,
    },
    open: async () => await directoryWorld(await startDs389({ memberof }), { admin: ds389Admin, transport }),
  });
}
