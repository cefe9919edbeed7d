import { startOpenLdap } from '../../src/sandbox/openldap.ts';
import { lostAnswers } from '../support/lost-answers.ts';
import { atScale } from '../support/scale.ts';

lostAnswers({
  name: 'OpenLDAP',
  start: (people) => startOpenLdap({ people }),
  width: atScale({ sample: 20, full: 50 }),
  atLeast: atScale({ sample: 40, full: 1_000 }),
  lateWriteMs: 5_000,
  hasCrowd: true,
});
