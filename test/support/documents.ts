import { existsSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

/** Whether a document, by its path from the top of the project, is there, with the heading that its anchor names. */
export function isThere(target: string): boolean {
  const [path = '', anchor] = target.split('#');
  const url = new URL(path, ROOT);
  if (!existsSync(url)) return false;
  return anchor === undefined || anchorsOf(readFileSync(url, 'utf8')).includes(anchor);
}

/** The links of a document that lead to no file, or to no heading. Those that leave the project are not looked at. */
export function brokenLinks(path: string): readonly string[] {
  const text = readFileSync(new URL(path, ROOT), 'utf8');
  const targets = [...text.matchAll(/\]\(((?!https?:)[^)\s]+)\)/g)].map(([, target = '']) => target);
  const fromRoot = (target: string) =>
    target.startsWith('#') ? `${path}${target}` : new URL(target, new URL(path, 'file:///')).href.slice('file:///'.length);
  return targets.filter((target) => !isThere(fromRoot(target)));
}

/** The anchors that a forge gives to the headings of a document. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
