import { isName, NAME_RULE } from '../../model/names.js';
import { show } from '../../model/text/show.js';
import type { AnySerde, DeclaredSource } from '../contract/processor.js';
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

/** Notes a topic that is declared twice, in different ways. */
export function checkSameSource(
  complaints: Complaints,
  known: DeclaredSource,
  spec: Omit<DeclaredSource, 'id' | 'outlet'>,
): void {
  const same =
    known.key.name === spec.key?.name &&
    known.value.name === spec.value?.name &&
    known.timestamp === spec.timestamp &&
    known.maxTimeJumpMs === spec.maxTimeJumpMs;
  if (same) return;
  complaints.problem(
    known.id,
    'the topic is declared twice with different serdes, timestamps or time jumps',
    'Declare it once and pipe the result twice.',
  );
}
