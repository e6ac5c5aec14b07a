import { nearestName } from '../../model/text/nearest-name.js';
import { plainText } from '../../model/text/plain-text.js';
import type { ChangedRow } from '../../replay/index.js';
import { namedFields } from '../load/named-fields.js';
import type { GivenPredicate } from '../load/predicate.js';

/** Of this many rows the fields are noted, to find one with a similar name. */
const NOTED_ROWS = 100;

/** A field that the expression names, within its parent. */
class Field {
  readonly path: readonly string[];
  readonly fields = new Map<string, Field>();
  /** The names beside which it was missing. */
  readonly beside = new Set<string>();
  found = false;
  missed = 0;

  constructor(path: readonly string[] = []) {
    this.path = path;
  }

  /** Whether nothing is left to look for. */
  get done(): boolean {
    return [...this.fields.values()].every(({ found, done }) => found && done);
  }

  add([name, ...rest]: readonly string[]): void {
    if (name === undefined) return;
    const field = this.fields.get(name) ?? new Field([...this.path, name]);
    this.fields.set(name, field);
    field.add(rest);
  }

  /** Looks which of its fields a value has. Calls no getter. */
  see(value: unknown): void {
    if (value === null || value === undefined) return;
    const owner = Object(value);
    for (const [name, field] of this.fields) {
      if (!Reflect.has(owner, name)) {
        field.missed++;
        if (!field.found && field.missed <= NOTED_ROWS && typeof value === 'object')
          for (const other of Object.keys(value)) field.beside.add(other);
        continue;
      }
      field.found = true;
      // A getter is code.
      if (!field.done) field.see(Object.getOwnPropertyDescriptor(owner, name)?.value);
    }
  }

  /** The fields that were looked for and never found; nothing is said of what would be inside them. */
  missing(): readonly Field[] {
    return [...this.fields.values()].flatMap((field) => {
      if (field.found) return field.missing();
      return field.missed > 0 ? [field] : [];
    });
  }
}

/** What a predicate receives, and its fields are looked at: a row, or a letter. */
type Seen = Pick<ChangedRow, 'key' | 'value'> & Partial<Pick<ChangedRow, 'before'>>;

/** Notes the fields that the expression of a predicate names and that no row has, such as a misspelt one. */
export class FieldWatch {
  /** `before` is the same row at another time. */
  readonly #row = new Field();
  readonly #key = new Field();
  #rows = 0;
  #done = false;

  /** Notes nothing of a predicate from a file, which the compiler can check. */
  constructor({ expression }: Pick<GivenPredicate, 'expression'>) {
    for (const { of, path } of expression === undefined ? [] : namedFields(expression))
      (of === 'key' ? this.#key : this.#row).add(path);
  }

  /** The predicate, which is given the same rows. */
  around<Row extends Seen = ChangedRow>(when: (row: Row) => unknown): (row: Row) => unknown {
    return (row) => {
      this.#see(row);
      return when(row);
    };
  }

  /**
   * One line for each field.
   *
   * @param of Where the rows are: `store balances`.
   * @param row The word for one of them.
   */
  warnings(of: string, row = 'row'): readonly string[] {
    const rows = this.#rows === 1 ? `1 ${row} was looked at` : `${this.#rows} ${row}s were looked at`;
    return (
      [
        [row, this.#row],
        ['key', this.#key],
      ] as const
    ).flatMap(([what, fields]) =>
      fields.missing().map(({ path, beside }) => {
        const near = nearestName(path.at(-1) as string, [...beside]);
        const meant = near === undefined ? '' : `: did you mean ${[...path.slice(0, -1), near].join('.')}?`;
        return plainText(`no ${what} of ${of} has a field ${path.join('.')}${meant} (${rows})`);
      }),
    );
  }

  #see({ key, value, before }: Seen): void {
    if (this.#done) return;
    this.#rows++;
    try {
      this.#row.see(value);
      this.#row.see(before);
      this.#key.see(key);
      this.#done = this.#row.done && this.#key.done;
    } catch {
      // A value of a serde of the user may be a proxy that throws: that must not change the result.
      this.#done = true;
    }
  }
}
