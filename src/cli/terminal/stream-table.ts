import { plainText } from '../../model/text/plain-text.js';
import { type Io, write } from './io.js';

/** Rows that decide the widths of the columns. */
const FIRST_ROWS = 50;
/** For output that is no terminal. */
const COLUMNS = 160;
const LEAST = 20;
const GAP = '  ';

/**
 * A table whose rows are written as they come, so that it may have any number of them. The first rows decide
 * the widths of the columns. One column has the room that the others leave: its texts are cut.
 */
export class StreamTable {
  readonly #io: Io;
  readonly #head: readonly string[];
  readonly #cut: number;
  #waiting: (readonly string[])[] = [];
  #widths: readonly number[] | undefined;

  /** @param cut The title of the column whose texts are cut. */
  constructor(io: Io, head: readonly string[], cut: string) {
    this.#io = io;
    this.#head = head;
    this.#cut = head.indexOf(cut);
  }

  async add(row: readonly string[]): Promise<void> {
    this.#waiting.push(row.map(plainText));
    if (this.#widths !== undefined || this.#waiting.length >= FIRST_ROWS) await this.flush();
  }

  /** Writes the rows that wait. A table without rows has no head. */
  async flush(): Promise<void> {
    const rows = this.#waiting;
    if (rows.length === 0) return;
    this.#waiting = [];
    const begins = this.#widths === undefined;
    this.#widths ??= this.#measured([this.#head, ...rows]);
    await write(this.#io.stdout, [...(begins ? [this.#head] : []), ...rows].map((row) => this.#line(row)).join(''));
  }

  #measured(rows: readonly (readonly string[])[]): readonly number[] {
    const widths = this.#head.map((_, i) => Math.max(...rows.map((row) => (row[i] as string).length)));
    const others = widths.reduce((sum, width, i) => (i === this.#cut ? sum : sum + width + GAP.length), 0);
    const room = Math.max(LEAST, (this.#io.stdout.columns || COLUMNS) - others);
    return widths.map((width, i) => (i === this.#cut ? Math.min(width, room) : width));
  }

  #line(row: readonly string[]): string {
    const cells = row.map((cell, i) => {
      const width = this.#widths?.[i] ?? 0;
      return (i === this.#cut ? shortened(cell, width) : cell).padEnd(width);
    });
    return `${cells.join(GAP).trimEnd()}\n`;
  }
}

/** Does not cut a surrogate pair. */
function shortened(text: string, width: number): string {
  if (text.length <= width) return text;
  const end = /[\ud800-\udbff]/.test(text[width - 2] ?? '') ? width - 2 : width - 1;
  return `${text.slice(0, end)}…`;
}
