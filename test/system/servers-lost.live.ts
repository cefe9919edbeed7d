import { PLAIN_389, SAMBA_AD } from '../support/known-directories.ts';
import { lostAnswers } from '../support/lost-answers.ts';
import { atScale, FULL_SCALE } from '../support/scale.ts';

for (const { name, start } of [PLAIN_389, SAMBA_AD]) {
  lostAnswers({
    name,
    start,
    width: atScale({ sample: 6, full: 50 }),
    atLeast: atScale({ sample: 12, full: 1_000 }),
    lateWriteMs: atScale({ sample: 3_000, full: 5_000 }),
    hasCrowd: FULL_SCALE,
  });
}
