type Content = string | Node;

/** An element with attributes; text goes in as text, whatever it says. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>> = {},
  ...content: readonly Content[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...content);
  return made;
}

/** The element of the page with that id. Throws where the page has none of that kind. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} ${id}`);
  return found;
}

/** Writes a text where it is not there already, so that nothing is read out twice. */
export function say(into: Node, text: string): void {
  if (into.textContent !== text) into.textContent = text;
}

/**
 * Shows the list in this order, one element each, known by its key: what has not changed stays as it is. `fill` writes the
 * content, and is called only where what it is made of has changed. A button that is made anew has the focus if the one before had.
 */
export function showList<Row, Made extends HTMLElement>(
  parent: HTMLElement,
  rows: readonly Row[],
  { key, make, fill }: { key: (row: Row) => string; make: () => Made; fill: (made: Made, row: Row) => void },
): void {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const there = new Map([...parent.children].map((child) => [(child as Made).dataset['key'] ?? '', child as Made]));
  let place = parent.firstElementChild;
  for (const row of rows) {
    const id = key(row);
    const found = there.get(id) ?? make();
    there.delete(id);
    const madeOf = JSON.stringify(row);
    if (found.dataset['madeOf'] !== madeOf) fill(found, row);
    Object.assign(found.dataset, { key: id, madeOf });
    if (found === place) place = place.nextElementSibling;
    else parent.insertBefore(found, place);
  }
  for (const gone of there.values()) gone.remove();
  if (focused !== null && document.activeElement !== focused) focusAgain(parent, focused);
}

/** Where a button was made anew or is gone that had the focus, the keyboard goes on at its successor, or at what it was in. */
export function focusAgain(parent: HTMLElement, before: Element): void {
  const label = before.getAttribute('aria-label');
  const same = [...parent.querySelectorAll('button')].find((button) => button.getAttribute('aria-label') === label);
  const next = before.isConnected ? before : (same ?? parent.closest('[tabindex]'));
  if (next instanceof HTMLElement) next.focus();
}
