/** True where every figure is wanted that the proof names, not only a sample of it. */
export const FULL_SCALE = process.env['TEST_SCALE'] === 'full';

/** How many times to do what is worth repeating. */
export function atScale({ sample, full }: { sample: number; full: number }): number {
  return FULL_SCALE ? full : sample;
}
