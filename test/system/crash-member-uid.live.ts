import { AROUND_THE_MODIFY, crashTable } from '../support/crash-table.ts';
import { FULL_SCALE } from '../support/scale.ts';

crashTable({
  attribute: 'memberUid',
  cn: 'db-operators',
  value: (_, uid) => uid,
  // The other points are the same whatever the attribute is, and the table of `member` has them all.
  isWanted: (at) => FULL_SCALE || AROUND_THE_MODIFY.test(at),
});
