/** The uid of one of the generated people of the example directory, from 1. */
export function extraPerson(number: number): string {
  return `u${String(number).padStart(4, '0')}`;
}

/** Gives a person at each call whom nobody had before. */
export function freshPeople(): () => string {
  let people = 0;
  return () => {
    people += 1;
    return extraPerson(people);
  };
}
