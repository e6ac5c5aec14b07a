import { StreamsError } from '../../model/errors.js';

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without the line break. */
  readonly bytes: Buffer;
  /** Bytes of input up to and including this line. */
  readonly end: number;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Far more than a broker accepts as one record: a file without line breaks is refused before it fills the
 * memory.
 */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * The non-blank lines of a file or pipe, in chunks as they arrive. The last one needs no line break. `at`
 * names the input in errors.
 */
export async function* readLines(input: AsyncIterable<Uint8Array>, at: string): AsyncGenerator<readonly Line[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let number = 0;
  let end = 0;

  const take = (piece: Buffer, lines: Line[]): void => {
    const whole = rest.length === 0 ? piece : Buffer.concat([...rest, piece]);
    rest = [];
    restBytes = 0;
    number++;
    const bytes = trimmed(whole, number);
    if (!isBlank(bytes)) lines.push({ number, bytes, end });
  };

  for await (const chunk of input) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: Line[] = [];
    let start = 0;
    for (let found = bytes.indexOf(NEWLINE); found >= 0; found = bytes.indexOf(NEWLINE, start)) {
      end += found + 1 - start;
      take(bytes.subarray(start, found), lines);
      start = found + 1;
    }
    if (start < bytes.length) {
      rest.push(bytes.subarray(start));
      restBytes += bytes.length - start;
      end += bytes.length - start;
    }
    if (restBytes > MAX_LINE_BYTES) throw tooLong(at, number + 1);
    if (lines.length > 0) yield lines;
  }
  const lines: Line[] = [];
  if (restBytes > 0) take(Buffer.alloc(0), lines);
  if (lines.length > 0) yield lines;
}

function trimmed(line: Buffer, number: number): Buffer {
  const start = number === 1 && line.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  const end = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length;
  return line.subarray(start, end);
}

const isBlank = (line: Buffer): boolean => line.every((byte) => byte === 0x20 || byte === 0x09);

const tooLong = (at: string, line: number): StreamsError =>
  new StreamsError('INPUT_INVALID', {
    what: 'cannot read a line',
    at: `${at}:${line}`,
    saw: `more than ${MAX_LINE_BYTES} bytes without a line break`,
    expected: 'one JSON value per line',
    action: 'Write each value on its own line.',
  });
