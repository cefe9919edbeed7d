/** How much is left of a span, in words that are as wide from second to second: `2 d 03:04:05`, `3:04:05`, `4:05`, `0:05`. */
export function leftWords(leftMs: number): string {
  // Rounded up, so that zero is shown once nothing is left.
  const seconds = Math.max(0, Math.ceil(leftMs / 1000));
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor((seconds % 86_400) / 3600);
  const two = (number: number): string => String(number).padStart(2, '0');
  const minutesAndSeconds = `${two(Math.floor((seconds % 3600) / 60))}:${two(seconds % 60)}`;
  if (days > 0) return `${days} d ${two(hours)}:${minutesAndSeconds}`;
  return hours > 0 ? `${hours}:${minutesAndSeconds}` : minutesAndSeconds.replace(/^0/, '');
}

/** A time of day, with the date where it is another day's. */
export function timeWords(at: string, nowMs: number): string {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return at;
  const two = (number: number): string => String(number).padStart(2, '0');
  const clock = `${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())}`;
  const isToday = then.toDateString() === new Date(nowMs).toDateString();
  return isToday ? clock : `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())} ${clock}`;
}
