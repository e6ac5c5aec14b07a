import { Headers } from '../../model/headers.js';
import { isNotReady } from '../../model/not-ready.js';
import { isMoment } from '../../model/record.js';
import type { Serde } from '../../serdes/serde.js';
import type { InternalInputSpec, NotedRecord } from '../contract/processor.js';

/** The internal input of an operator that acts on the wall clock. */
export const timersOf = (name: string): InternalInputSpec => ({ name, holds: 'timers' });

/**
 * A record that says what the wall clock has brought.
 *
 * @param origin The same for every record that says the same.
 */
export const noted = (
  key: Buffer | null,
  facts: Readonly<Record<string, number | string | boolean>>,
  { timestamp, origin }: { readonly timestamp: number; readonly origin: string },
): NotedRecord => ({
  key,
  value: Buffer.from(JSON.stringify(facts)),
  timestamp: Math.max(0, Math.floor(timestamp)),
  headers: Headers.none,
  origin,
});

/** The facts of a record. Anyone who may write to the topic writes them: what does not parse says nothing. */
export function factsOf(value: unknown): Readonly<Record<string, unknown>> {
  try {
    const facts: unknown = JSON.parse(String(value));
    return typeof facts === 'object' && facts !== null ? (facts as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

/** A fact that is a moment, in milliseconds. */
export const momentOf = (fact: unknown): number | undefined => (isMoment(fact) ? (fact as number) : undefined);

/** The key of a record. Undefined: it has none, or other bytes than the serde writes. */
export function keyOf<K>(serde: Serde<K>, bytes: unknown): { readonly key: K } | undefined {
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return { key: serde.decode(bytes) };
  } catch (error) {
    if (isNotReady(error)) throw error;
    return undefined;
  }
}
