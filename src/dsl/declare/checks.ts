import { isName, NAME_RULE } from '../../model/names.js';
import { show } from '../../model/text/show.js';
import type { AnySerde } from '../contract/processor.js';
import type { Complaints } from '../pipelines/ambient.js';

/** Notes a name that is not legal. */
export function noteName(complaints: Complaints, where: string, kind: string, name: unknown): void {
  if (isName(name)) return;
  complaints.problem(
    where,
    name === undefined || name === '' ? `the ${kind} has no name` : `the ${kind} ${show(name)} is not a legal name`,
    `Name it with ${NAME_RULE}: the name becomes part of a topic's name.`,
  );
}

/** Notes a serde that is missing, or a value that is not a serde. */
export function checkSerdes(
  complaints: Complaints,
  where: string,
  { key, value }: { readonly key: AnySerde; readonly value: AnySerde },
): void {
  for (const [side, serde] of [
    ['key', key],
    ['value', value],
  ] as const) {
    if (typeof serde?.encode === 'function' && typeof serde.decode === 'function') continue;
    complaints.problem(
      where,
      `it has no ${side} serde`,
      `Say how the ${side} is written, for example { ${side}: serdes.${side === 'key' ? 'string' : 'json()'} }.`,
    );
  }
}
