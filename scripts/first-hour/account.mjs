// The records that one project has sent, and what must have come of them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export class Account {
  #project;
  #directory;
  #sent = 0;
  #files = 0;
  /** Since the change of the topology, records of this key are left out. */
  leavesOut = false;
  totals = new Map();
  /** Of all records, whether they count or not. */
  all = new Map();

  constructor(project, directory) {
    this.#project = project;
    this.#directory = directory;
  }

  /** Records sent so far. */
  get sent() {
    return this.#sent;
  }

  /** Writes a file with more records, and books them. */
  more(count) {
    const { keys, line, adds, left } = this.#project;
    const lines = [];
    for (let i = 0; i < count; i++) {
      const key = keys[this.#sent % keys.length];
      const value = line(key, this.#sent++);
      lines.push(JSON.stringify(value));
      this.all.set(key, (this.all.get(key) ?? 0) + 1);
      if (adds(value) && !(this.leavesOut && key === left)) this.totals.set(key, (this.totals.get(key) ?? 0) + 1);
    }
    const file = join(this.#directory, `more-${this.#files++}.jsonl`);
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  }
}

/** Fails unless rows are as booked. */
export function checkTotals(what, rows, expected) {
  const seen = new Map(rows.map(({ key, value }) => [key, value]));
  const wrong = [...new Set([...seen.keys(), ...expected.keys()])]
    .filter((key) => seen.get(key) !== expected.get(key))
    .map((key) => `${key}: saw ${seen.get(key) ?? 'none'}, expected ${expected.get(key) ?? 'none'}`);
  if (seen.size < rows.length) wrong.push('a key has two rows');
  if (wrong.length > 0) throw new Error(`${what}\n  ${wrong.join('\n  ')}`);
}

/** Fails unless the outputs of each key are 1, 2, 3 … up to its total: none is missing, and none came twice. */
export function checkOutputs(records, expected) {
  const last = new Map();
  for (const { key, value, partition, offset } of records) {
    const next = (last.get(key) ?? 0) + 1;
    if (value !== next) throw new Error(`the output ${key}=${value} at ${partition}@${offset}, expected ${next}`);
    last.set(key, next);
  }
  checkTotals(
    'the last outputs',
    Array.from(last, ([key, value]) => ({ key, value })),
    expected,
  );
}
