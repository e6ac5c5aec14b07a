import type { Case, Emitted, Json } from './case.js';
import type { Outcome } from './run-case.js';

/** One text for equal values, whatever the order of an object's fields. */
const canonical = (value: Json): string =>
  JSON.stringify(value, (_name, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

function line({ step, topic, peek, key, value, timestamp }: Emitted, withStep: boolean): string {
  const place = peek === undefined ? topic : `peek ${peek}`;
  const at = timestamp === undefined ? '' : ` @${timestamp}`;
  return `${withStep ? `step ${step} ` : ''}${place}: ${canonical(key)} → ${canonical(value)}${at}`;
}

/** The records as lines, in the order in which they must be equal. */
function lines(records: readonly Emitted[], compare: Case['compare']): string[] {
  const all = records.map((record) => ({ record, text: line(record, compare !== 'multiset') }));
  const place = ({ topic, peek }: Emitted): string => topic ?? `peek ${peek}`;
  const byText = (a: { text: string }, b: { text: string }): number => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
  switch (compare) {
    case 'exact':
      break;
    case 'topic':
      all.sort((a, b) => (place(a.record) < place(b.record) ? -1 : place(a.record) > place(b.record) ? 1 : 0));
      break;
    case 'step':
      all.sort((a, b) => a.record.step - b.record.step || byText(a, b));
      break;
    case 'multiset':
      all.sort(byText);
      break;
    default:
      throw new Error(`saw compare ${compare}, expected exact, topic, step or multiset`);
  }
  return all.map(({ text }) => text);
}

/** What differs, as lines: `-` is expected and missing, `+` came out and is not expected. Empty if nothing does. */
export function differences(target: Case, outcome: Outcome): string[] {
  const found = diff(lines(target.expected, target.compare), lines(outcome.emitted, target.compare));
  for (const [name, rows] of Object.entries(target.stores)) {
    const row = ([key, value]: readonly [Json, Json]): string =>
      `store ${name}: ${canonical(key)} → ${canonical(value)}`;
    found.push(...diff(rows.map(row), (outcome.stores[name] ?? []).map(row)));
  }
  return found;
}

/** The shortest edit from one list to the other, with a line of what is common around each change. */
function diff(expected: readonly string[], actual: readonly string[]): string[] {
  if (expected.length === actual.length && expected.every((text, i) => text === actual[i])) return [];
  const width = actual.length + 1;
  // common[i * width + j]: length of the longest common subsequence of what follows expected[i] and actual[j].
  const common = new Uint32Array((expected.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] as number;
  for (let i = expected.length - 1; i >= 0; i--) {
    for (let j = actual.length - 1; j >= 0; j--) {
      common[i * width + j] = expected[i] === actual[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const all: string[] = [];
  let [i, j] = [0, 0];
  while (i < expected.length || j < actual.length) {
    if (i < expected.length && j < actual.length && expected[i] === actual[j]) {
      all.push(`  ${expected[i]}`);
      i++;
      j++;
    } else if (j >= actual.length || (i < expected.length && at(i + 1, j) >= at(i, j + 1))) {
      all.push(`- ${expected[i++]}`);
    } else all.push(`+ ${actual[j++]}`);
  }
  const changed = (text: string | undefined): boolean => text !== undefined && !text.startsWith(' ');
  return all.filter((text, n) => changed(text) || changed(all[n - 1]) || changed(all[n + 1]));
}
