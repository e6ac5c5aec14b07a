import { plainText } from '../../model/text/plain-text.js';
import { ERASE_LINE, type Io, write } from './io.js';

/** Interval of plain lines where a line cannot be redrawn. */
const PLAIN_EVERY_MS = 5_000;
const REDRAW_EVERY_MS = 200;
/** For terminals that do not report their width. */
const DEFAULT_COLUMNS = 80;

/**
 * Shows the progress of long work: one line that is redrawn on a terminal, a plain line every five seconds
 * otherwise.
 */
export class StatusLine {
  readonly #io: Io;
  readonly #plain: (text: string, fields: object) => void;
  #shown = '';
  #last: number;

  /**
   * `plain` writes the line where it cannot be redrawn. Nothing is written in the first seconds, so that
   * short work is silent.
   */
  constructor(io: Io, plain: (text: string, fields: object) => void) {
    this.#io = io;
    this.#plain = plain;
    this.#last = io.clock.monotonic();
  }

  /**
   * Cheap: may be called at every change.
   *
   * @param fields The same for programs that read the plain lines.
   */
  update(text: () => string, fields: () => object = () => ({})): void {
    const { clock, stderr } = this.#io;
    const now = clock.monotonic();
    if (now - this.#last < (stderr.isTTY ? REDRAW_EVERY_MS : PLAIN_EVERY_MS)) return;
    this.#last = now;
    if (stderr.isTTY) this.#draw(plainText(text()));
    else this.#plain(plainText(text()), fields());
  }

  /** Writes whole lines above the status line. */
  above(lines: string): void {
    const shown = this.#shown;
    this.clear();
    void write(this.#io.stderr, lines);
    if (shown !== '') this.#draw(shown);
  }

  clear(): void {
    if (this.#shown === '') return;
    this.#shown = '';
    void write(this.#io.stderr, ERASE_LINE);
  }

  #draw(text: string): void {
    // A line that wraps could not be redrawn.
    this.#shown = text.slice(0, (this.#io.stderr.columns || DEFAULT_COLUMNS) - 1);
    void write(this.#io.stderr, `${ERASE_LINE}${this.#shown}`);
  }
}
