declare const brand: unique symbol;

/** A value that only the parser which checked it can make; two brands never mix. */
export type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** What a parser returns: the value, or a sentence that says what was wrong with the text. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };
